"""The learning configuration as `control` has it: the newest `setting`, and appending one."""

from __future__ import annotations

import time
from typing import Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from models.settings import LearningSettings
from stream.errors import InvalidEvent
from stream.kafka.envelopes import unpack
from stream.kafka.manifests import consumer_of, write
from stream.kafka.security import Link
from stream.setting import changes, setting_record, settings_in

# `control` is read from its end in pieces that grow: the newest setting is among few records
# soon after a change, or before all of a large catalogue.
_PIECE: Final = 1_000
_PIECE_GROWTH: Final = 4
# Longest wait for records that are known to be there.
_READ_S: Final = 10.0


def newest(link: Link, control: TopicPartition) -> LearningSettings | None:
    """The learning configuration in force; None where none was ever set.

    Raises BrokerUnreachable.
    """
    with consumer_of(link) as consumer:
        consumer.assign([control])
        begin = consumer.beginning_offsets([control])[control]
        stop, size = consumer.end_offsets([control])[control], _PIECE
        while stop > begin:
            start = max(begin, stop - size)
            found = _last_within(consumer, control, start, stop)
            if found is not None:
                return found
            stop, size = start, size * _PIECE_GROWTH
    return None


def apply(link: Link, control: TopicPartition, settings: LearningSettings) -> list[str]:
    """Append a `setting` where the newest one differs; answers the keys that change.

    Raises ManifestMismatch for shapes, BrokerUnreachable.
    """
    current = newest(link, control)
    changed = ["learning"] if current is None else changes(current, settings)
    if changed:
        write(link, [control], setting_record(settings))
    return changed


def _last_within(
    consumer: KafkaConsumer, control: TopicPartition, start: int, stop: int
) -> LearningSettings | None:
    """The last setting of [start, stop)."""
    last, deadline = None, time.monotonic() + _READ_S
    consumer.seek(control, start)
    while consumer.position(control) < stop:
        for record in consumer.poll(timeout_ms=500).get(control, ()):
            if record.offset < stop:
                last = _setting_of(record.value) or last
            deadline = time.monotonic() + _READ_S
        if time.monotonic() > deadline:
            raise KafkaError(f"the records of {control.topic} did not arrive")
    return last


def _setting_of(value: bytes | None) -> LearningSettings | None:
    """The last setting of a record, which may be an envelope."""
    try:
        found = [settings_in(body) for body in unpack(value)]
    except InvalidEvent:
        return None
    return next((settings for settings in reversed(found) if settings is not None), None)
