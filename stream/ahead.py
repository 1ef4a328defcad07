"""Memory for those who stay when items leave, got beside the learner before they do."""

from __future__ import annotations

import threading

from models.model import Model
from stream.saving import resting


class Ahead:
    """One thread at a time; the process may end while it runs."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def look(self, model: Model) -> None:
        """Begin where items are about to leave. Takes no time."""
        if not model.leaves_soon() or (self._thread is not None and self._thread.is_alive()):
            return
        pace = resting(threading.Event())
        self._thread = threading.Thread(
            target=model.prepare_leaving, args=(pace,), name="ahead", daemon=True
        )
        self._thread.start()
