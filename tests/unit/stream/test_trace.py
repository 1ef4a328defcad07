"""The trace of a request on the records it becomes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from stream import trace
from stream.examples import DeadLetter
from stream.kafka.dead_letters import from_record, to_record
from stream.kafka.envelopes import unpack
from stream.kafka.lanes import Lane

ONE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TWO = b"00-0af7651916cd43dd8448eb211c80319d-b7ad6b7169203331-00"


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (ONE, ONE),
        (b"cc" + ONE[2:] + b"-what-will-be", ONE),  # a later version, of which we know a part
        (b"ff" + ONE[2:], None),
        (ONE + b"-more", None),
        (ONE.upper(), None),
        (ONE[:-1], None),
        (ONE[:36] + b"0000000000000000-01", None),
        (ONE + b"\n", None),
        (None, None),
    ],
)
def test_a_context_is_taken_as_the_standard_has_it(
    value: bytes | None, wanted: bytes | None
) -> None:
    assert trace.valid(value) == wanted


def test_two_contexts_are_none() -> None:
    assert trace.of_record([("traceparent", ONE), ("till", b"4")]) == ONE
    assert trace.of_record([("traceparent", ONE), ("traceparent", TWO)]) is None
    assert trace.of_request([(b"traceparent", ONE)]) == ONE
    assert trace.of_request([(b"host", b"here")]) is None


class Sender:
    def __init__(self) -> None:
        self.records: list[Any] = []

    async def send(self, topic: str, partition: int, records: list[Any]) -> list[int]:
        self.records += records
        return list(range(len(records)))


@pytest.mark.parametrize(
    ("contexts", "wanted"),
    [
        ([None, TWO, ONE], [TWO]),
        ([None, None], [None]),
        ([ONE] + [None] * 8, [ONE, None, None]),  # three to an envelope
    ],
)
def test_an_envelope_of_several_requests_has_the_first_trace_there_is(
    contexts: list[bytes | None], wanted: list[bytes | None]
) -> None:
    async def test() -> list[Any]:
        sender = Sender()
        lane = Lane(sender, "events", 0, 0.001, envelope=3)  # type: ignore[arg-type]
        await asyncio.gather(*(lane.put([b"{}"], False, context) for context in contexts))
        await lane.stop(1.0)
        return sender.records

    records = asyncio.run(test())
    assert [trace.of_record(headers) for _, headers in records] == wanted
    assert sum(len(unpack(value)) for value, _ in records) == len(contexts)


def test_a_dead_letter_keeps_the_headers_its_record_had_whatever_its_error_says() -> None:
    record = [("freshet-import", b"1"), ("source", b"till 4"), ("blob", b"x" * 8_150)]
    theirs = trace.foreign(record)
    assert theirs == record[1:]
    letter = DeadLetter(0, 7, "malformed", "is no JSON " * 100, b"{", 1.7e9, tuple(theirs))
    assert from_record(*to_record(letter)) == (letter, 1)
    assert trace.foreign([*theirs, ("more", b"x" * 100)]) == theirs
