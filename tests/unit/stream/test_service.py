"""What is accepted over HTTP: with an id of its own, in time, and never refused later."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.errors import InvalidEvent
from stream.events import parse_feedback, parse_item
from stream.manifest import Manifest
from stream.profiles import Profiles
from stream.records import LogRecord
from stream.service import accept, check_time, control_body

NOW = 1_700_000_000.0
GOOD = b'{"type":"view","user_id":"u","item_id":"i"}'


def test_an_event_without_an_id_gets_one_written_into_it() -> None:
    for raw in (GOOD, b"  " + GOOD + b" \r\n\t", GOOD[:-1] + b',"event_id":null}'):
        checked = accept(raw, NOW, Manifest(), False)
        assert checked is not None
        assert parse_feedback(checked.body).event_id == checked.event_id
        assert msgspec.json.decode(checked.body)["event_id"] == checked.event_id


def test_ids_that_are_made_up_differ() -> None:
    ids = {getattr(accept(GOOD, NOW, Manifest(), False), "event_id", "") for _ in range(100)}
    assert len(ids) == 100


def test_an_event_with_an_id_keeps_its_bytes() -> None:
    raw = GOOD[:-1] + b', "event_id" : "mine", "more": [1.50] }'
    checked = accept(raw, NOW, Manifest(), False)
    assert checked is not None and (checked.body, checked.event_id) == (raw, "mine")


def test_without_consent_nothing_is_kept() -> None:
    assert accept(GOOD[:-1] + b',"consent":false}', NOW, Manifest(), False) is None
    assert accept(GOOD[:-1] + b',"consent":true}', NOW, Manifest(), False) is not None


@pytest.mark.parametrize("lateness", [0.5, 10.0, 90.0, 86_400.0])
def test_an_event_of_now_is_in_time_however_short_the_bound(lateness: float) -> None:
    check_time(NOW, NOW, Manifest(lateness_s=lateness))
    with pytest.raises(InvalidEvent, match="timestamp: is older"):
        check_time(NOW - lateness, NOW, Manifest(lateness_s=lateness))


@settings(deadline=None)
@given(
    st.floats(-400.0, 2_000.0), st.floats(0.0, 30.0), st.booleans(),
    st.sampled_from([100.0, 1_000.0]),
)  # fmt: skip
def test_what_was_accepted_is_never_late_in_the_log(
    ago: float, delay: float, imported: bool, lateness: float
) -> None:
    manifest = Manifest(lateness_s=lateness, dedup_window=1024)
    raw = msgspec.json.encode(
        {"type": "view", "user_id": "u", "item_id": "i", "timestamp": NOW - ago}
    )
    try:
        checked = accept(raw, NOW, manifest, imported)
    except InvalidEvent as error:
        assert error.field == "timestamp" and not imported
        return
    assert checked is not None
    emitted = Profiles(manifest).step([LogRecord(0, NOW + delay, imported, checked.body)])
    assert not emitted.dead


def test_a_control_body_is_read_back_as_it_was() -> None:
    item = parse_item(b'{"item_id":"i","title":"T","available":false,"attributes":{"a":1}}')
    body = control_body("item", item)
    assert parse_item(body) == item
    assert msgspec.json.decode(body)["type"] == "item"
