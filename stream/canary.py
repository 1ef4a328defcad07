"""The canary: a synthetic user whose clicks measure how soon a click shows in the next list.

Stage one keeps its profile like anybody's and tells the model nothing of it, so that the crowd's
model, trending, quality and what is counted of users and events stay those of real people. That
it is one is a fact of the log, its id; replays and rebuilds agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from stream.errors import InvalidEvent

#: The id, and what the ids of further ones begin with; clients may use neither.
CANARY: Final = "_canary"
_NUMBERED: Final = CANARY + "-"


def is_canary(user_id: str) -> bool:
    """
    >>> [is_canary(name) for name in ("_canary", "_canary-7", "_canaryx", "canary")]
    [True, True, False, False]
    """
    return user_id.startswith(CANARY) and (user_id == CANARY or user_id.startswith(_NUMBERED))


def rows_of(ids: Iterable[bytes]) -> set[int]:
    """Where canaries stand among ids in UTF-8.

    >>> rows_of([b"ada", b"_canary", b"bo"])
    {1}
    """
    prefix = CANARY.encode()
    return {
        row for row, raw in enumerate(ids) if raw.startswith(prefix) and is_canary(raw.decode())
    }


def refuse_canary(user_id: str) -> None:
    """Raise InvalidEvent for an id that clients may not use."""
    if is_canary(user_id):
        raise InvalidEvent("user_id", "is reserved for Freshet's own measurements")


def canaries(partitions: int, partition_of: Callable[[str], int]) -> list[str]:
    """One id for each partition, by number, so that all of them are measured.

    >>> canaries(1, lambda _: 0)
    ['_canary']
    >>> canaries(2, lambda name: len(name) % 2)
    ['_canary-10', '_canary-0']
    """
    if partitions == 1:
        return [CANARY]
    found: dict[int, str] = {}
    number = 0
    while len(found) < partitions:
        name = f"{_NUMBERED}{number}"
        found.setdefault(partition_of(name), name)
        number += 1
    return [found[partition] for partition in range(partitions)]
