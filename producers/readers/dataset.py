"""What every reader gives: a `Dataset` of `Record`s, read while it is iterated."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


class Record(dict[str, Any]):
    """A dict that remembers its file and 1-based line, so that a refusal can name them.

    >>> record = Record("shop.csv", 7, {"item_id": "a"})
    >>> record, record.line
    ({'item_id': 'a'}, 7)
    """

    __slots__ = ("file", "line")

    def __init__(self, file: str, line: int, content: dict[str, Any]) -> None:
        super().__init__(content)
        self.file = file
        self.line = line


def nothing() -> Iterator[dict[str, Any]]:
    """An iterator that is already at its end."""
    return iter(())


@dataclass(frozen=True)
class Dataset:
    """One source of feedback. Each iterator can be used once and opens its file when first asked.

    `events` are HTTP events, `items` elements of `PUT /v1/items`, `users` of `PUT /v1/users`.
    """

    name: str
    events: Iterator[dict[str, Any]] = field(default_factory=nothing)
    items: Iterator[dict[str, Any]] = field(default_factory=nothing)
    users: Iterator[dict[str, Any]] = field(default_factory=nothing)
