"""How far a replay has come and what it has measured, so that the next one goes on there."""

from __future__ import annotations

from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from producers.replay.figures import Figures
from stream.errors import InvalidEvent
from stream.positions import from_token
from stream.whole import whole_file

log = structlog.get_logger(__name__)


class Reached(Struct):
    """The first `events` of a source are acknowledged; `play` says of which replay."""

    play: str
    events: int
    figures: Figures
    position: str | None = None


class ReplayCursor:
    """A file that is written after acknowledgements and removed at the source's end.

    A kill between the two sends some events again: the system knows them by their ids, and they
    are not scored twice.
    """

    def __init__(self, path: Path, play: str) -> None:
        """`play` is a digest of source, target and options: another one begins at the start."""
        self.path = path
        self._play = play
        self._told = False

    def reached(self) -> Reached | None:
        try:
            found = msgspec.json.decode(self.path.read_bytes(), type=Reached)
        except (OSError, msgspec.MsgspecError):
            return None
        return found if found.play == self._play else None

    def save(self, events: int, figures: Figures, position: str | None) -> None:
        reached = Reached(self._play, events, figures, position)
        try:
            with whole_file(self.path, durable=False) as aside:
                aside.write_bytes(msgspec.json.encode(reached))
        except OSError as error:
            if not self._told:
                log.warning("replay_without_cursor", file=str(self.path), reason=str(error))
            self._told = True

    def finish(self) -> None:
        self.path.unlink(missing_ok=True)


def is_behind(now: str | None, then: str | None) -> bool:
    """Whether a system at `now` cannot be the one that once gave out `then`.

    >>> is_behind("1.0-7", "1.0-42"), is_behind("1.0-50", "1.0-42"), is_behind(None, "1.0-42")
    (True, False, False)
    """
    if now is None or then is None:
        return False
    try:
        current, known = from_token(now), from_token(then)
    except InvalidEvent:
        return False
    return any(current[p] < known[p] for p in current.keys() & known.keys())
