"""Dead letters sent again: where each event belongs, as an import."""

from __future__ import annotations

from producers.kafka_sink import KafkaLog
from producers.publisher import Publisher
from stream.errors import InvalidEvent
from stream.examples import DeadLetter
from stream.kafka.envelopes import partition_of, unpack, user_of


def send_again(publisher: Publisher, log: KafkaLog, letter: DeadLetter) -> None:
    """Publish what a letter holds, with the headers its record had.

    Control records, whose partition follows the last one, too.

    Imports: lateness and caps do not apply, and the event is as new as its own timestamp says.
    """
    if letter.partition >= log.partitions:
        publisher.add(log.topics.control, 0, letter.body, alone=True, headers=letter.headers)
        return
    try:
        bodies = unpack(letter.body)
    except InvalidEvent:
        bodies = [letter.body]
    for body in bodies:
        user_id = user_of(body)
        known = letter.partition if user_id is None else partition_of(user_id, log.partitions)
        publisher.add(log.topics.events, known, body, imported=True, headers=letter.headers)
