"""State hashes at positions all agree on, so that whoever follows can compare with the owner."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

# A follower may be ahead of the owner's notice by so many hashes.
_KEPT: Final = 8


class Hashes:
    """The hashes of one model, every `every` records of the examples; 0: none is taken.

    The positions are the same in every process, so nobody must know beforehand where another
    will look. Only the copying happens where learning happens; the hashing is on a thread.
    """

    def __init__(self, every: int = 0) -> None:
        self._every = every
        self._own: dict[int, str] = {}
        self._thread = ThreadPoolExecutor(1, "hash") if every else None

    def due(self, position: int) -> bool:
        return self._every > 0 and position % self._every == 0

    def take(self, position: int, hashed: Callable[[], str]) -> None:
        """Note the hash at `position`; `hashed` is called on another thread."""
        if self._thread is not None:
            self._thread.submit(self._note, position, hashed)

    def forget(self) -> None:
        """The model is another one from here on."""
        self._own = {}

    @property
    def newest(self) -> tuple[int, str] | None:
        """Position and hash; None before the first."""
        own = self._own
        return max(own.items()) if own else None

    def differs(self, position: int, state_hash: str) -> bool:
        """True when the model here was another one at that position; False where not known."""
        own = self._own.get(position)
        return own is not None and own != state_hash

    def _note(self, position: int, hashed: Callable[[], str]) -> None:
        kept = sorted({**self._own, position: hashed()}.items())[-_KEPT:]
        self._own = dict(kept)
