"""Answers kept for a moment, and the tags by which clients know that a list is still the same."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable

from api.ladder import Answer


class Kept:
    """The newest answers of one process, by all that they depend on; at most `entries`.

    The key holds the user's position and the model's version, so that an answer is never older
    than what the same request would be answered now.
    """

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._answers: OrderedDict[Hashable, Answer] = OrderedDict()

    def get(self, key: Hashable) -> Answer | None:
        return self._answers.get(key) if self._entries else None

    def put(self, key: Hashable, answer: Answer) -> None:
        """Keep an answer that a repeat may get: whole, and without anything drawn by chance."""
        if not self._entries or answer.degraded or any(p.propensity < 1.0 for p in answer.places):
            return
        self._answers[key] = answer
        while len(self._answers) > self._entries:
            self._answers.popitem(last=False)


def tag_of(answer: Answer, degraded: bool) -> str:
    """A weak ETag over the list; when and under which id it was answered is outside it."""
    digest = hashlib.blake2b(answer.items, digest_size=12)
    digest.update(f"{answer.served_by}{degraded}".encode())
    return f'W/"{digest.hexdigest()}"'


def matches(tag: str, if_none_match: str) -> bool:
    """Whether the header names the tag, compared weakly (RFC 9110, 13.1.2).

    >>> matches('W/"a"', '"b", "a"'), matches('W/"a"', 'W/"b"'), matches('W/"a"', "*")
    (True, False, True)
    """
    names = (name.strip().removeprefix("W/") for name in if_none_match.split(","))
    return any(name in ("*", tag.removeprefix("W/")) for name in names)
