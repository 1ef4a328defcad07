"""`kill -9` at any moment: inside append, learn and snapshot."""

import random
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

# Twenty starts on a busy machine.
pytestmark = pytest.mark.timeout(1_800)


def test_kills_lose_nothing_and_repeat_nothing(
    server: Any, client: Any, seed: int, full: bool, check_by_command: Any
) -> None:
    kills, events = (20, 50_000) if full else (3, 1_200)
    moments = random.Random(seed)
    server.start()
    with client:
        for _ in range(kills):
            client.wait_for(events // kills)
            time.sleep(moments.expovariate(1 / 0.1))
            server.kill()
            server.start()
        client.wait_for(100)
        client.wait_for_repeats()
    assert not client.errors, client.errors[:5]
    assert client.answered > kills
    server.kill()
    assert len(client.acknowledged) >= events
    state = check_by_command(server.folder, client.acknowledged)
    assert state["duplicates"] > 0
    print(f"{kills} kills, {state['applied']} events, {client.answered} lists")


@pytest.fixture
def written(server: Any, client: Any) -> tuple[Path, set[tuple[str, str]]]:
    """A folder a killed server left behind, and what it had acknowledged."""
    server.start()
    with client:
        client.wait_for(1_000)
        while len(list((server.folder / "snapshots").glob("profiles-v*.snap"))) < 2:
            client.wait_for(200)
    server.kill()
    return server.folder, client.acknowledged


def an_event(folder: Path) -> int:
    """The position of a client's event well within the log: lists that were shown lie there too."""
    log = sqlite3.connect(folder / "log.sqlite")
    [(position,)] = log.execute(
        "select min(position) from records where position >= 700"
        " and json_extract(body, '$.event_id') is not null"
        " and json_extract(body, '$.user_id') like 'u%'"
    )
    log.close()
    return int(position)


def test_the_oracle_notices_what_it_is_there_for(written: Any, check: Any, tmp_path: Path) -> None:
    folder, acknowledged = written
    check(folder, acknowledged)

    def broken(name: str, *statements: str) -> Path:
        copy = tmp_path / name
        shutil.copytree(folder, copy)
        log = sqlite3.connect(copy / "log.sqlite")
        for statement in statements:
            log.execute(statement)
        log.commit()
        log.close()
        return copy

    event = an_event(folder)
    dropped = broken(
        "dropped", f"delete from records where position = {event}",
        f"update records set position = position - 1 where position > {event}",
    )  # fmt: skip
    # Seen by its ids, or before that by the snapshots, if they had got past the place.
    with pytest.raises(AssertionError, match=r"acknowledged events are lost|cannot be had"):
        check(dropped, acknowledged)
    hole = broken("hole", f"delete from records where position = {event}")
    with pytest.raises(AssertionError, match="holes"):
        check(hole, acknowledged)
    # The same ids, another item, below a snapshot that has learned the first.
    changed = broken(
        "changed",
        'update records set body = replace(body, \'"item_id":"\', \'"item_id":"other \')'
        " where position between 2 and 300",
    )
    with pytest.raises(AssertionError, match="state is not the log's"):
        check(changed, acknowledged)
    cut = broken("cut", "delete from records where position > 400")
    with pytest.raises(AssertionError, match="cannot be had"):
        check(cut, set())


def test_damaged_snapshots_are_passed_over(written: Any, check: Any) -> None:
    folder, acknowledged = written
    before = check(folder, acknowledged)["state_hash"]
    # First the newest pair loses its end, then the pair before it changes by one bit.
    for damage, place in (("cut", -1), ("flip", -2)):
        for stage in ("model", "profiles"):
            path = sorted((folder / "snapshots").glob(f"{stage}-v*.snap"))[place]
            data = bytearray(path.read_bytes())
            if damage == "flip":
                data[len(data) // 3] ^= 16
            else:
                del data[len(data) // 3 :]
            path.write_bytes(data)
        assert check(folder, acknowledged)["state_hash"] == before
    (folder / "snapshots" / "tmp123.partial").write_bytes(b"freshet-snapshot-1\n")
    assert check(folder, acknowledged)["state_hash"] == before
