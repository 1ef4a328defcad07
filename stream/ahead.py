"""Memory for those who stay when items leave, got beside the learner before they do."""

from __future__ import annotations

import logging
import threading

from models.model import Model
from stream.saving import resting

logger = logging.getLogger(__name__)


class Ahead:
    """One thread at a time; the process may end while it runs."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._failed = False

    def look(self, model: Model) -> None:
        """Begin where items are about to leave. Takes no time."""
        if not model.leaves_soon():
            self._failed = False  # the next filling is tried again
            return
        if self._failed or (self._thread is not None and self._thread.is_alive()):
            return
        self._thread = threading.Thread(
            target=self._prepare, args=(model,), name="ahead", daemon=True
        )
        self._thread.start()

    def _prepare(self, model: Model) -> None:
        try:
            model.prepare_leaving(resting(threading.Event()))
        except Exception as error:  # noqa: BLE001 - whatever it is, the process goes on
            # It is a matter of speed alone, and every batch would meet the same again.
            self._failed = True
            logger.warning(
                "memory for those who stay when items leave could not be got ahead (%s):"
                " learning will stand still for longer then",
                type(error).__name__,
            )
