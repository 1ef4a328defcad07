"""The readers on real files; their folder comes from FRESHET_TEST_DATA."""

import os
import zipfile
from pathlib import Path

import pytest

from producers.datasets import get
from producers.readers import read
from producers.wheel import PinnedWheel


@pytest.fixture
def data() -> Path:
    folder = os.environ.get("FRESHET_TEST_DATA")
    if not folder:
        pytest.skip("FRESHET_TEST_DATA is not set: no folder with the real files")
    return Path(folder)


def test_movielens_is_read_whole(data: Path) -> None:
    dataset = read(data / "ml-100k" / "ml-100k.inter", "recbole")
    items, users, events = list(dataset.items), list(dataset.users), list(dataset.events)
    assert (len(items), len(users), len(events)) == (1682, 943, 100_000)
    assert events[0]["event_id"] == "ml-100k:2"
    assert {event["item_id"] for event in events} <= {item["item_id"] for item in items}
    assert {event["user_id"] for event in events} == {user["user_id"] for user in users}
    assert items[0]["title"] == "Toy Story"
    assert items[0]["categories"] == ["Animation", "Children's", "Comedy"]


def test_yoochoose_is_read_whole(data: Path) -> None:
    events = list(read(data / "yoochoose" / "train_full.txt", "sessions").events)
    assert len(events) == 70_278
    assert {event["type"] for event in events} == {"view"}


def test_the_wellness_catalogue_is_read_whole(data: Path) -> None:
    items = list(read(data / "wellness" / "products.csv", "shop").items)
    assert [item["item_id"] for item in items] == [str(n) for n in range(1, 2001)]
    assert all(len(item["tags"]) == 3 for item in items)
    assert items[0]["price"] == 65.59


def test_the_pinned_digests_are_those_of_the_real_files(data: Path, tmp_path: Path) -> None:
    def fetch(wheel: PinnedWheel, folder: Path) -> Path:
        path = folder / "any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for file in (data / "ml-100k").iterdir():
                archive.write(file, f"recbole/dataset_example/ml-100k/{file.name}")
        return path

    folder = get("ml-100k", tmp_path, fetch=fetch)
    assert (folder / "ml-100k.inter").read_bytes() == (
        data / "ml-100k" / "ml-100k.inter"
    ).read_bytes()

    def refuse(wheel: PinnedWheel, folder: Path) -> Path:
        raise AssertionError("a whole set is not fetched again")

    assert get("ml-100k", tmp_path, fetch=refuse) == folder
    (folder / "ml-100k.user").write_text("changed")
    assert get("ml-100k", tmp_path, fetch=fetch) == folder
    assert (folder / "ml-100k.user").read_bytes() == (
        data / "ml-100k" / "ml-100k.user"
    ).read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == [
        "NOTICE.txt",
        "ml-100k.inter",
        "ml-100k.item",
        "ml-100k.user",
    ]
