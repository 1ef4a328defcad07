"""Data folders full enough to be measured on: made once by the state of the kernels, then kept."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba

from config import bootstrap
from config.load import load
from producers.direct import Direct

LOT = 1_000
# Newest first, one event a second: the last hours of a busy shop.
_STARTED = 1_700_000_000.0
_GROUPS = 50


def folder(items: int, users: int, each: int) -> Path:
    """A data folder with `users` who have `each` events over a catalogue of `items`."""
    made_by = hashlib.blake2b(str(getattr(numba.config, "CACHE_DIR", "")).encode(), digest_size=4)
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "freshet/benchmarks"
    found = cache / f"{items}-{users}-{each}-{made_by.hexdigest()}"
    if not (found / "done").exists():
        shutil.rmtree(found, ignore_errors=True)
        found.mkdir(parents=True)
        print(f"filling {found.name}: {users * each:,} events, once", file=sys.stderr)
        start = time.monotonic()
        _fill(found / "data", items, users, each)
        (found / "done").touch()
        print(f"filled in {time.monotonic() - start:.0f} s", file=sys.stderr)
    return found / "data"


def _fill(data: Path, items: int, users: int, each: int) -> None:
    running = bootstrap.embedded(load({"core.data_dir": str(data)}, environ={}))
    try:
        running.service.use(load(environ={}).learning)
        running.service.start()
        sink = Direct(running.service, imported=True)
        for lot in _lots(catalogue(items)):
            sink.put_items(lot)
        for lot in _lots(feedback(items, users, each)):
            sink.send(lot)
    finally:
        running.close()


def catalogue(count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        group = number % _GROUPS
        yield {
            "item_id": f"i{number}", "title": f"thing {number} of kind {group}",
            "categories": [f"c{group}"], "price": 1.0 + number % 90, "stock": number % 7,
        }  # fmt: skip


def feedback(items: int, users: int, each: int) -> Iterator[dict[str, Any]]:
    """Users in turn, each with a taste for one kind and a long tail within it."""
    chance, kinds = random.Random(1), items // _GROUPS
    for number in range(users * each):
        user = number % users
        kind = user % _GROUPS if chance.random() < 0.8 else chance.randrange(_GROUPS)
        item = min(int(chance.paretovariate(0.8)) - 1, kinds - 1) * _GROUPS + kind
        if item < 0 or chance.random() < 0.3:
            item = chance.randrange(kinds) * _GROUPS + kind
        yield {
            "type": "view", "user_id": f"u{user}", "item_id": f"i{item}",
            "event_id": f"e{number}", "timestamp": _STARTED + number * 0.01,
        }  # fmt: skip


def _lots(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    lot: list[dict[str, Any]] = []
    for row in rows:
        lot.append(row)
        if len(lot) == LOT:
            yield lot
            lot = []
    if lot:
        yield lot
