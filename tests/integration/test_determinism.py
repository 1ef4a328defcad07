"""The same log gives the same state: whatever the batches, reads, hash seeds and snapshots."""

import asyncio
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from config import bootstrap
from config.load import load
from stream.service import Checked, accept

ROOT = Path(__file__).parents[2]
KINDS = ("view", "click", "like", "purchase", "rating", "dislike", "own_type")


def feedback(n: int, random: np.random.Generator, catalogue: int) -> bytes:
    number = int(random.integers(n + 1)) if n % 9 == 0 else n  # now and then one sent before
    event: dict[str, Any] = {
        "type": KINDS[int(random.integers(len(KINDS)))],
        "user_id": f"u{number * 7 % 40 if number // 50 % 5 else number % 2}",
        "item_id": f"i{min(int(random.exponential(catalogue / 5)), catalogue)}",
        "event_id": f"e{number}",
    }
    if event["type"] == "rating":
        event["value"] = int(random.integers(1, 6))
    if n % 4 == 0:
        event["timestamp"] = time.time() - float(random.integers(0, 100_000))
    return msgspec.json.encode(event)


def record(folder: Path, events: int, catalogue: int) -> None:
    """Write a log as a running system does, with a change of settings on the way."""
    random = np.random.default_rng(7)
    for part, flags in enumerate(({}, {"learning.repeats": True})):
        settings = load({"core.data_dir": str(folder), **flags}, environ={})
        running = bootstrap.embedded(settings)
        running.service.catch_up()
        running.service.use(settings.learning)
        manifest = running.service.manifest
        for at in range(0, events // 2, 50):
            first = part * events // 2 + at
            now, imported = time.time(), first % 250 != 0
            bodies = [feedback(first + n, random, catalogue) for n in range(50)]
            checked = [accept(body, now, manifest, imported) for body in bodies]
            asyncio.run(_append(running.service, checked, first, imported))
            running.service.catch_up()
        running.close()


async def _append(service: Any, events: list[Checked | None], first: int, imported: bool) -> None:
    item = {"type": "item", "item_id": f"i{first % 97}", "title": f"word{first % 13} of {first}"}
    await service.append_control([msgspec.json.encode(item)])
    await service.append_feedback([event for event in events if event], imported)


def told(verb: str, folder: Path, *options: str, seed: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "config.cli.main", verb, "--data-dir", str(folder), "--json"]
    done = subprocess.run(
        [*command, *options],
        capture_output=True, text=True, timeout=280, cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(seed)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


QUICK = [("1", "50", 4_242), ("1000", "200", 0)]
WHOLE = [(size, reads, seed) for size in ("1", "7", "1000") for reads in ("0", "13")
         for seed in (0, 4_242)]  # fmt: skip


def test_batches_reads_and_hash_seeds_leave_no_trace(tmp_path: Path, full: bool) -> None:
    # The full catalogue is past the size at which the dense tables become sparse.
    record(tmp_path, *((20_000, 6_000) if full else (2_000, 300)))
    state = told("state", tmp_path, seed=0)
    assert state["applied"] > 1_000 and state["duplicates"] > 10 and state["capped"] > 0

    def rebuilt(how: tuple[str, str, int]) -> dict[str, Any]:
        size, reads, seed = how
        return told("rebuild", tmp_path, "--batch-size", size, "--read-every", reads, seed=seed)

    with ThreadPoolExecutor(2) as beside:
        assert all(found == state for found in beside.map(rebuilt, WHOLE if full else QUICK))


@pytest.mark.parametrize("keep", ["model", "profiles"])
def test_a_start_from_one_stage_s_snapshots_alone_ends_in_the_same_state(
    tmp_path: Path, keep: str
) -> None:
    record(tmp_path, 600, 100)
    settings = load({"core.data_dir": str(tmp_path)}, environ={})
    hashes = []
    for remove in (None, "profiles" if keep == "model" else "model", keep):
        for path in (tmp_path / "snapshots").glob(f"{remove}-v*.snap") if remove else ():
            path.unlink()
        learner = bootstrap.reader(settings, snapshots=True)
        while learner.learn(64):
            pass
        hashes.append(learner.state_hash())
    assert len(set(hashes)) == 1
