"""What of a user's attributes is learned."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.attributes import ATTRIBUTES, attribute_keys, bucket, labels

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.text(max_size=20),
    st.floats(allow_nan=False, allow_infinity=False),
)  # fmt: skip


@given(st.dictionaries(st.text(max_size=5), scalars, max_size=20))
def test_any_attributes_give_a_few_keys_whatever_their_order(
    attributes: dict[str, object],
) -> None:
    keys = attribute_keys(attributes, b"seed")
    assert len(keys) <= ATTRIBUTES and all(0 <= key < 2**64 for key in keys)
    assert attribute_keys(dict(reversed(attributes.items())), b"seed") == keys


@pytest.mark.parametrize(
    ("one", "other"),
    [({"age": 31}, {"age": 39.5}), ({"sex": "F"}, {"sex": " f "}), ({"a": 1}, {"a": 1.0})],
)
def test_what_says_the_same_has_the_same_keys(
    one: dict[str, object], other: dict[str, object]
) -> None:
    assert attribute_keys(one) == attribute_keys(other) != []


def test_what_differs_has_other_keys() -> None:
    assert attribute_keys({"age": 29}) != attribute_keys({"age": 31})
    assert attribute_keys({"a": True}) != attribute_keys({"a": "1"})
    assert attribute_keys({"a": "x"}, b"1") != attribute_keys({"a": "x"}, b"2")


def test_a_text_of_digits_is_a_code_and_a_number() -> None:
    assert labels({"age": "24", "job": "writer"}) == ["age=24", "age~20", "job=writer"]
    assert labels({"age": "twenty", "none": "", "null": None}) == ["age=twenty"]


def test_numbers_fall_into_few_buckets() -> None:
    assert len({bucket(n) for n in range(1, 1_000)}) == 10 + 8 + 9
    assert bucket(1e300) > 10**299
