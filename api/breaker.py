"""A breaker: leaves a dependency that fails alone for a while, instead of waiting for it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final

import structlog

#: Failures in a row, or half of the last calls, open it.
IN_A_ROW: Final = 5
LAST: Final = 20
#: How long it stays open before one call may try; at zero every call would wait again.
PROBE_S: Final = 1.0
# So that the processes of an installation do not all try at the same moment.
_JITTER: Final = 0.25

logger = structlog.get_logger(__name__)


class Breaker:
    """Closed, everything passes. Open, one call a second passes and decides; not thread-safe.

    `admit` answers a ticket that belongs with the outcome: what was begun before the breaker
    opened says nothing about now.
    """

    def __init__(
        self,
        name: str,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._name = name
        self._clock = clock
        self._draw = draw
        self._ticket = 0
        self._is_open = False
        self._probe_at = 0.0
        self._in_a_row = 0
        self._outcomes = 0  # one bit a call, the newest lowest; 1 = failed

    @property
    def is_open(self) -> bool:
        return self._is_open

    def retry_after_s(self) -> float:
        """When a call may pass again, in seconds from now."""
        return max(self._probe_at - self._clock(), 0.0) if self._is_open else 0.0

    def admit(self) -> int | None:
        """A ticket for one call; None where it should not be made."""
        if not self._is_open:
            return self._ticket
        if self._clock() < self._probe_at:
            return None
        self._wait()
        self._ticket += 1
        return self._ticket

    def succeeded(self, ticket: int) -> None:
        if ticket != self._ticket:
            return
        if self._is_open:
            self._is_open = False
            self._outcomes = 0
            logger.warning("a dependency answers again", dependency=self._name)
        self._in_a_row = 0
        self._note(0)

    def failed(self, ticket: int) -> None:
        if ticket != self._ticket or self._is_open:
            return  # a probe that fails leaves it open, as it is
        self._in_a_row += 1
        self._note(1)
        if self._in_a_row >= IN_A_ROW or 2 * self._outcomes.bit_count() >= LAST:
            self._is_open = True
            self._ticket += 1
            self._in_a_row = 0
            self._wait()
            logger.warning("a dependency fails and is left alone", dependency=self._name)

    def _note(self, bit: int) -> None:
        self._outcomes = (self._outcomes << 1 | bit) & ((1 << LAST) - 1)

    def _wait(self) -> None:
        self._probe_at = self._clock() + PROBE_S * (1.0 + _JITTER * self._draw())
