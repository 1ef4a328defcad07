"""An outage that is told once, and once more when it is over."""

from __future__ import annotations

import logging
import time

logger = logging.getLogger(__name__)


class Outage:
    """What is missed while something is away; `what` is the subject of the log's lines.

    >>> outage = Outage("rows")
    >>> outage.met(OSError("away")), outage.met(OSError("away")), outage.lasts
    (True, False, True)
    >>> outage.over(), outage.lasts
    (None, False)
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._tries = 0
        self._since = 0.0

    @property
    def lasts(self) -> bool:
        return self._tries > 0

    def met(self, error: BaseException) -> bool:
        """Count a try that failed; True, and a line in the log, for the first one alone."""
        self._tries += 1
        if self._tries > 1:
            return False
        self._since = time.monotonic()
        logger.warning("%s wait for the store: %s", self._what, error)
        return True

    def over(self) -> None:
        """A try went well: if one before had failed, say how long it took."""
        if self._tries:
            lasted = time.monotonic() - self._since
            logger.warning(
                "%s are written again, after %.1f s and %d tries", self._what, lasted, self._tries
            )
        self._tries = 0
