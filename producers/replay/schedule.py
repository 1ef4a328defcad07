"""When each event is to be sent: its own time, scaled, from the moment the replay began."""

from __future__ import annotations

from dataclasses import dataclass

from producers.errors import OptionError


@dataclass(frozen=True)
class Schedule:
    """`speed` is seconds of event time a second; None is as fast as the system takes it."""

    speed: float | None
    began: float  # on the monotonic clock
    first: float  # time of the first event

    def due(self, timestamp: float) -> float | None:
        """When on the monotonic clock an event is to be sent; None: when it is its turn.

        >>> Schedule(100.0, 5.0, 1_000.0).due(1_200.0)
        7.0
        """
        if self.speed is None:
            return None
        return self.began + (timestamp - self.first) / self.speed


def speed_of(text: str) -> float | None:
    """A positive factor, or None for `max`. Raises OptionError.

    >>> speed_of("max"), speed_of("100"), speed_of("2.5x")
    (None, 100.0, 2.5)
    """
    if text == "max":
        return None
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0 < speed < 1e12:
        raise OptionError("--speed: must be a factor above 0, such as 100, or max")
    return speed
