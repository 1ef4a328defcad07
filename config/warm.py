"""Compiles the kernels once, at installation, so that the first start is a quick one."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from typing import Any

from msgspec.json import encode

from config import bootstrap
from config.load import load
from models import cooccurrence
from models.answers import Asked
from producers.direct import Direct
from stream.impressions import Impression, Shown, impression_record
from stream.open_list_kernels import EVERY, WINDOW_S
from stream.service import accept


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
    asyncio.run(_show_lists(running))
    running.service.catch_up()
    model, row = running.service.model, asyncio.run(running.service.read("u1")).row
    if row is not None:
        asked = Asked(row.past, row.types, 5)
        model.recommend(asked, "a list")
        model.recommend(asked._replace(diversity=0.5, explain=True))
        model.recommend_all(asked, ["u1"])
        model.embedding(asked)
        model.trending(5, asked)
    model.similar("i1", 5)


async def _show_lists(running: bootstrap.Running) -> None:
    """Lists and a click on one of them, and as many later ones as close them."""
    shown = [Shown(item_id=f"i{n}", place=n, score=-float(n)) for n in range(3)]
    for moment in (1_000.0, 1_000.0 + 2 * WINDOW_S):
        lists = [
            Impression(user_id="u1", recommendation_id=f"{moment}-{n}", items=shown,
                       timestamp=time.time() - 10_000.0 + moment)
            for n in range(EVERY)
        ]  # fmt: skip
        await running.service.append_control([impression_record(listed) for listed in lists])
        event = {"type": "click", "user_id": "u1", "item_id": "i3" if moment == 1_000.0 else "i1"}
        event = {**event, "recommendation_id": f"{moment}-0"}
        checked = accept(encode(event), time.time(), running.service.manifest, False)
        if checked is not None:
            await running.service.append_feedback([checked], False)


if __name__ == "__main__":
    sys.stderr.write("Compiling the kernels (one to two minutes, once)\n")
    warm()
