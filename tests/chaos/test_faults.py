"""Full disks, ends under load, second processes and poison in the log."""

import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]


def events(count: int, **fields: Any) -> dict[str, Any]:
    return {
        "events": [
            {"type": "view", "user_id": "u", "item_id": f"i{n}", "event_id": f"x{n}", **fields}
            for n in range(count)
        ]
    }


def test_a_full_disk_refuses_and_recovers(server: Any, client: Any, check: Any) -> None:
    server.start()
    with client:
        client.wait_for(500)
        server.limit_files(1_000_000)
        _until(lambda: client.refused > 3, "the disk was never full")
        full_at = len(client.acknowledged)
        answered = client.answered
        # Ten times what the clients send at once: where there is no room for that, none for this.
        refusal = httpx.post(f"{server.url}/v1/events", json=events(1_000), timeout=60)
        assert refusal.status_code == 503
        assert int(refusal.headers["retry-after"]) >= 1
        assert refusal.json()["error"]["code"]
        _until(lambda: client.answered > answered + 20, "no lists while the disk was full")
        assert httpx.get(f"{server.url}/livez", timeout=60).status_code == 200
        server.limit_files(-1)
        client.wait_for(300)
        assert len(client.acknowledged) > full_at
    assert not client.errors, client.errors[:5]
    again = httpx.post(f"{server.url}/v1/events", json=events(100), timeout=60)
    assert again.status_code == 202
    assert server.stop() == 0
    check(server.folder, client.acknowledged | {("u", f"x{n}") for n in range(100)})


def _until(reached: Any, otherwise: str, timeout_s: float = 100.0) -> None:
    until = time.monotonic() + timeout_s
    while not reached():
        assert time.monotonic() < until, otherwise
        time.sleep(0.01)


def test_sigterm_under_load_leaves_nothing_to_replay(server: Any, client: Any, check: Any) -> None:
    server.start()
    with client:
        client.wait_for(1_000)
        second = subprocess.run(
            [sys.executable, "-m", "config.cli.main", "run", "--demo", "none", "--port", "0",
             "--data-dir", str(server.folder)],
            capture_output=True, text=True, timeout=100, cwd=ROOT,
        )  # fmt: skip
        assert second.returncode == 2
        assert f"pid {server.pid}" in second.stderr
        client.wait_for(100)
        assert server.stop() == 0, server.output()
    assert not client.errors, client.errors[:5]
    assert "the learner stopped" not in server.output()
    log = sqlite3.connect(server.folder / "log.sqlite")
    [(end,)] = log.execute("select max(position) + 1 from records")
    log.close()
    for stage in ("model", "profiles"):
        newest = max((server.folder / "snapshots").glob(f"{stage}-v*.snap"))
        assert int(newest.name.split("-")[2]) == end, "something is left to replay"
    check(server.folder, client.acknowledged)


POISON = {
    b"\x00\xff not json": "malformed",
    b"": "malformed",
    b"{" * 50_000: "malformed",
    b'{"type":"view","user_id":"u"}': "item_id",
    b'{"type":"view","user_id":"u","item_id":"i","value":1e400}': "value",
    b'{"type":"view","user_id":"u","item_id":"\\ud800"}': "item_id",
    b'{"type":"view","user_id":"u","item_id":"i","timestamp":1}': "late",
    b'{"type":"view","user_id":"u","item_id":"i","timestamp":2e11}': "future",
    b'{"type":"setting","learning":{"nonsense":1}}': "learning",
    b'{"type":"item","item_id":7}': "item_id",
    b"x" * 5_000_000: "malformed",
}


def test_poison_in_the_log_becomes_dead_letters_and_the_next_events_flow(server: Any) -> None:
    server.start()
    assert httpx.post(f"{server.url}/v1/events", json=events(10), timeout=60).status_code == 202
    server.kill()
    log = sqlite3.connect(server.folder / "log.sqlite")
    [(end,)] = log.execute("select max(position) + 1 from records")
    for at, body in enumerate(POISON):
        row = (end + at, time.time(), 0, body)
        log.execute("insert into records values (?, ?, ?, ?)", row)
    log.commit()
    log.close()
    server.start()
    sent = httpx.post(f"{server.url}/v1/events", json=events(30), timeout=60)
    assert sent.json()["duplicates"] == 10
    after = {"after": sent.json()["position"], "wait_ms": 5000}

    def is_learned() -> bool:
        listed = httpx.get(f"{server.url}/v1/users/u/recommendations", params=after, timeout=60)
        assert listed.status_code == 200
        return listed.json()["degraded"] is False

    _until(is_learned, "the next events did not flow")
    assert server.stop() == 0, server.output()
    told = subprocess.run(
        [sys.executable, "-m", "config.cli.main", "dead-letters", "list", "--json",
         "--data-dir", str(server.folder)],
        capture_output=True, text=True, check=True, timeout=100, cwd=ROOT,
    )  # fmt: skip
    letters = [json.loads(line) for line in told.stdout.splitlines()]
    assert [letter["offset"] for letter in letters] == list(range(end, end + len(POISON)))
    for letter, reason in zip(letters, POISON.values(), strict=True):
        assert letter["reason"].split(".")[0] == reason
    assert "xxxxx" not in server.output()
