"""Both stages' snapshots with 100,000 users and 10,000 items, in this process."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path

from models.model import Model
from models.settings import LearningSettings
from stream.cluster.model_worker import Learning
from stream.cluster.partition import Partition, fresh
from stream.files.snapshots import FolderSnapshots
from stream.manifest import Manifest
from stream.records import LogRecord
from stream.source import TP

USERS, ITEMS, EACH, LOT = 100_000, 10_000, 10, 1_000


def measure(runs: int) -> tuple[float, float]:
    """(seconds to copy, seconds to write) one partition with all users, and the model."""
    partition, learning = _filled()
    held, written = [], []
    with tempfile.TemporaryDirectory() as folder:
        store = FolderSnapshots(Path(folder), False)
        for _ in range(runs):
            start = time.monotonic()
            snapshots = [partition.capture(), learning.capture()]
            held.append(time.monotonic() - start)
            start = time.monotonic()
            for snapshot in snapshots:
                store.write(snapshot)
            written.append(time.monotonic() - start)
    return statistics.median(held), statistics.median(written)


def _filled() -> tuple[Partition, Learning]:
    manifest = Manifest()
    partition = fresh(TP("events", 0), manifest, 0)
    learning = Learning(Model(LearningSettings(), manifest.seed))
    for start in range(0, USERS * EACH, LOT):
        records = [
            LogRecord(at, 1e9 + at * 1e-3, False, _body(at)) for at in range(start, start + LOT)
        ]
        for piece in partition.profiles.step(records).pieces:
            learning.stage.apply(0, piece)
    return partition, learning


def _body(at: int) -> bytes:
    return json.dumps(
        {"type": "view", "user_id": f"u{at % USERS}", "item_id": f"i{at * 7 % ITEMS}"}
    ).encode()
