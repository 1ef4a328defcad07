"""Compiles the kernels once, at installation, so that the first start is a quick one."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from typing import Any

from config import bootstrap
from config.load import load
from models import cooccurrence
from models.answers import Asked
from producers.direct import Direct


def warm() -> None:
    """Run a handful of events through everything there is, in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        flags = {"core.data_dir": folder, "manifest.scoring": "all"}
        settings = load(flags, environ={})
        for _ in range(2):  # the second start restores a snapshot
            running = bootstrap.embedded(settings)
            try:
                _exercise(running, Direct(running.service, imported=True))
            finally:
                running.close()
        learner = bootstrap.reader(settings, snapshots=True)
        cooccurrence.go_sparse(learner.stage.model.arena, "fast")


def _exercise(running: bootstrap.Running, sink: Direct) -> None:
    sink.put_items(
        [{"item_id": f"i{n}", "title": f"item {n}", "categories": ["c"]} for n in (1, 2)]
    )
    for n in range(1, 7):
        event: dict[str, Any] = {"type": "rating", "value": n % 5 + 1, "timestamp": 1000.0 + n}
        sink.send([{**event, "user_id": f"u{n % 2}", "item_id": f"i{n % 4}"}])
    running.service.catch_up()
    model, row = running.service.model, asyncio.run(running.service.read("u1")).row
    if row is not None:
        asked = Asked(row.past, row.types, 5)
        model.recommend(asked)
        model.embedding(asked)
        model.trending(5, asked)
    model.similar("i1", 5)


if __name__ == "__main__":
    sys.stderr.write("Compiling the kernels (about a minute, once)\n")
    warm()
