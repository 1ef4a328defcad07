"""The generated shop: its layout, its variety, and that a seed repeats it."""

from collections import Counter
from pathlib import Path

import pytest

from producers.catalogue import write_catalogue
from producers.readers import read
from producers.readers.shop import SHOP_COLUMNS


def test_two_thousand_products_that_make_sense(tmp_path: Path) -> None:
    path = write_catalogue(tmp_path / "shop.csv")
    assert path.read_text(encoding="utf-8").splitlines()[0] == ";".join(SHOP_COLUMNS)
    items = list(read(path, "shop").items)
    assert [item["item_id"] for item in items] == [str(n) for n in range(1, 2001)]
    assert len({item["title"] for item in items}) >= 1500
    categories = Counter(item["categories"][0] for item in items)
    assert 8 <= len(categories) <= 12
    assert min(categories.values()) >= 80
    assert all(1 <= item["price"] <= 400 for item in items)
    assert all(2.5 <= item["rating"] <= 5 for item in items)
    assert all(0 <= item["discount_percent"] <= 30 for item in items)
    assert 10 < sum(item["stock"] == 0 for item in items) < 200
    assert all(2 <= len(item["tags"]) <= 3 for item in items)


def test_items_of_one_category_share_more_tags_than_others(tmp_path: Path) -> None:
    items = list(read(write_catalogue(tmp_path / "shop.csv", products=300), "shop").items)

    def shared(same: bool) -> float:
        counts = [
            len(set(a["tags"]) & set(b["tags"]))
            for n, a in enumerate(items)
            for b in items[:n]
            if (a["categories"] == b["categories"]) is same
        ]
        return sum(counts) / len(counts)

    assert shared(same=True) > 1
    assert shared(same=False) < 0.2


def test_a_seed_repeats_the_bytes_and_another_changes_them(tmp_path: Path) -> None:
    one, again, other = (tmp_path / name for name in ("one", "again", "other"))
    write_catalogue(one, products=50, seed=1)
    write_catalogue(again, products=50, seed=1)
    write_catalogue(other, products=50, seed=2)
    assert one.read_bytes() == again.read_bytes() != other.read_bytes()


def test_more_products_than_words_repeat_titles_but_no_ids(tmp_path: Path) -> None:
    items = list(read(write_catalogue(tmp_path / "shop.csv", products=4000), "shop").items)
    assert len({item["item_id"] for item in items}) == 4000


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "shop.csv").mkdir()
    with pytest.raises(OSError):
        write_catalogue(tmp_path / "shop.csv", products=1)
    assert [path.name for path in tmp_path.iterdir()] == ["shop.csv"]
