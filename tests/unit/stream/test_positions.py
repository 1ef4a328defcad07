"""Position tokens: what was given out is read back, everything else is refused as `after`."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.errors import InvalidEvent
from stream.positions import from_token, to_token


@settings(deadline=None)
@given(st.dictionaries(st.integers(0, 99_999), st.integers(0, 10**18 - 1), min_size=1, max_size=30))
def test_a_token_reads_back(positions: dict[int, int]) -> None:
    token = to_token(positions)
    assert from_token(token) == positions
    assert re.fullmatch(r"[A-Za-z0-9._~-]{1,1024}", token)


@pytest.mark.parametrize(
    "token",
    [
        "", "1", "1.", "2.0-4", "1.0", "1.0-", "1.-4", "1.0-4.", "1.0-4 ", " 1.0-4", "1.0-4\n",
        "1.0--4", "1.0-4x", "1.0-" + "9" * 19, "1.000000-4", "1.٠-٤", "1" + ".0-4" * 400, "\x00",
    ],
)  # fmt: skip
def test_anything_else_is_refused(token: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        from_token(token)
    assert caught.value.field == "after"


@settings(deadline=None)
@given(st.text(max_size=50))
def test_no_text_does_harm(token: str) -> None:
    try:
        from_token(token)
    except InvalidEvent as error:
        assert str(error) == "after: is not a position this service has given out"
