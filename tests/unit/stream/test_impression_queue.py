"""Lists on their way to the log: in order, in few appends, and bounded."""

import asyncio
from collections.abc import Sequence

from stream.errors import LogUnavailable
from stream.impression_queue import ImpressionQueue
from stream.impressions import Impression, Shown, parse_impression


def lists(count: int) -> list[Impression]:
    return [
        Impression(user_id=f"u{n}", recommendation_id=f"r{n}", items=[Shown("a", 0)])
        for n in range(count)
    ]


async def kept(count: int, waiting: int, fails: bool = False) -> tuple[list[list[str]], int]:
    """Names of the lists of each append, and how many lists were dropped."""
    appends: list[list[str]] = []

    async def append(records: Sequence[tuple[str, bytes]]) -> None:
        told = [(user, parse_impression(body)) for user, body in records]
        assert all(user == shown.user_id for user, shown in told)
        appends.append([shown.recommendation_id for _, shown in told])
        if fails:
            raise LogUnavailable("away", 1.0)

    queue = ImpressionQueue(append, waiting)
    for shown in lists(count):
        queue.put([shown])
    await queue.drain()
    return appends, queue.dropped


def test_lists_are_appended_together_and_in_order() -> None:
    appends, dropped = asyncio.run(kept(700, 10_000))
    assert [name for names in appends for name in names] == [f"r{n}" for n in range(700)]
    assert len(appends) <= 3 and dropped == 0


def test_what_there_is_no_room_for_is_dropped_and_counted() -> None:
    appends, dropped = asyncio.run(kept(10, 3))
    assert (appends, dropped) == ([["r0", "r1", "r2"]], 7)


def test_a_log_that_is_away_costs_the_lists_and_nothing_else() -> None:
    appends, dropped = asyncio.run(kept(2, 10, fails=True))
    assert (appends, dropped) == ([["r0", "r1"]], 2)
