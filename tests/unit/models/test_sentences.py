"""Words that stand for what they mean: who is near whom, and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import pytest

from models import sentences
from models.errors import ExtraMissing
from models.model import Model
from models.sentences import sentence
from models.settings import Content, LearningSettings

HASHED = LearningSettings()
SENTENCES = LearningSettings(content=Content(text="sentences"))
LIKES = [
    ("Sofa, three seats, grey", "Comfortable couch for the family"),
    ("Running shoes for men", "Lightweight sneakers"),
    ("Rain jacket", "Waterproof coat"),
    ("Coffee mug", "Porcelain cup"),
    ("Laptop 14 inch", "Portable notebook computer"),
    ("Tent for two", "Camping shelter"),
    ("Dry dog food", "Kibble for puppies"),
    ("Crime fiction paperback", "Detective novel"),
]


@pytest.fixture
def read_anew() -> Iterator[None]:
    """What the wheels hold is read at the next need, now and after the test."""
    sentences._language.cache_clear()
    yield
    sentences._language.cache_clear()


def put(settings: LearningSettings, *items: dict[str, object]) -> Model:
    model = Model(settings)
    for item in items:
        model.put_item(item)
    return model


def catalogue() -> list[dict[str, object]]:
    texts = [text for pair in LIKES for text in pair]
    return [{"item_id": f"i{at}", "title": text} for at, text in enumerate(texts)]


def likes_found(settings: LearningSettings) -> int:
    """Items of which the one most like them is the one that is."""
    model = put(settings, *catalogue())
    near = [model.similar(f"i{at}", 1) for at in range(2 * len(LIKES))]
    return sum(bool(found) and found[0].row == at ^ 1 for at, found in enumerate(near))


def vectors(model: Model) -> np.ndarray:
    found: np.ndarray = model.arena["content.vectors"][: model.items]
    return found


def test_what_is_alike_is_near_without_a_word_in_common() -> None:
    assert likes_found(HASHED) <= 4
    assert likes_found(SENTENCES) >= 14


def test_categories_tags_and_attributes_count_beside_the_words() -> None:
    told = {"title": "Tent for two", "attributes": {"brand": "a"}, "tags": ["t"]}
    same, other = {**told, "categories": ["x1"]}, {**told, "categories": ["x2"]}
    near = vectors(put(SENTENCES, {"item_id": "a", **same}, {"item_id": "b", **same},
                       {"item_id": "c", **other}, {"item_id": "d", "tags": ["t"]}))  # fmt: skip
    assert near[0] @ near[1] > 0.99
    assert near[0] @ near[2] < 0.95
    assert np.linalg.norm(near, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_a_text_has_one_vector_whatever_was_read_before() -> None:
    first = sentence("Comfortable couch", 64)
    for text in ("", "x" * 50_000, "ソファ 🛋", "a\x00b"):
        vector = sentence(text, 64)
        assert np.isfinite(vector).all()
        assert bool(vector.any()) == bool(text)
    assert sentence("Comfortable couch", 64).tobytes() == first.tobytes()
    assert sentence("COMFORTABLE COUCH", 64).tobytes() == first.tobytes()
    assert sentence("Comfortable couch", 32) @ first[:32] > 0.5


def test_items_without_words_are_described_all_the_same() -> None:
    model = put(SENTENCES, {"item_id": "a"}, {"item_id": "b", "attributes": {"year": 1995}})
    assert not vectors(model)[0].any()
    assert np.linalg.norm(vectors(model)[1]) == pytest.approx(1.0, abs=1e-5)


def test_another_setting_describes_the_whole_catalogue_anew() -> None:
    model = put(HASHED, *catalogue())
    model.put_item({"item_id": "i3", "deleted": True})
    model.apply_settings(SENTENCES)
    straight = put(SENTENCES, *catalogue())
    straight.put_item({"item_id": "i3", "deleted": True})
    assert not vectors(model)[3].any()
    others = [at for at in range(model.items) if at != 3]
    assert (vectors(model)[others] == vectors(straight)[others]).all()
    assert model.similar("i0", 1)[0].row == 1
    model.apply_settings(HASHED)
    again = put(HASHED, *catalogue())
    for item in catalogue():
        again.put_item(item)  # under the counts of words that all of them make
    assert (vectors(model)[others] == vectors(again)[others]).all()


@pytest.mark.usefixtures("read_anew")
@pytest.mark.parametrize("package", ["tokenizers", "wordllama"])
def test_a_missing_package_is_named_with_its_extra(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = put(HASHED, *catalogue())
    model.put_item({"item_id": "i0", "deleted": True})  # of which nothing is said any more
    assert vectors(model)[0].any()
    before = model.digest()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ExtraMissing, match=r"learning.content.text: .*'\.\[sentences\]'"):
        sentences.require_sentences()
    with pytest.raises(ExtraMissing):
        model.apply_settings(SENTENCES)
    assert model.digest() == before


@pytest.mark.usefixtures("read_anew")
@pytest.mark.parametrize(("known", "cause"), [("_FILES", "another table"), ("_PROBED", "cut")])
def test_vectors_of_another_version_are_refused(
    known: str, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentences, known, "of another version")
    with pytest.raises(ExtraMissing, match=f"learning.content.text: .*{cause}"):
        sentences.require_sentences()
