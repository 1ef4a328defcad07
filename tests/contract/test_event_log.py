"""`EventLog`: one suite over every adapter."""

import json
import random
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from stream.append_window import AppendWindow
from stream.errors import LogUnavailable
from stream.ports import EventLog
from stream.records import NewRecord
from stream.sqlite.log import SqliteLog

Opener = Callable[..., EventLog]


@pytest.fixture(params=["sqlite"])
def open_log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens the same log again and again; `read_only` beside a writer."""
    opened: list[EventLog] = []

    def open_(**options: Any) -> EventLog:
        log = {"sqlite": SqliteLog}[request.param](tmp_path / "log.sqlite", **options)
        opened.append(log)
        return log

    yield open_
    for log in opened:
        log.close()


def records(*bodies: str) -> list[NewRecord]:
    return [NewRecord(body.encode()) for body in bodies]


def bodies(log: EventLog) -> list[str]:
    return [record.body.decode() for record in log.read(0, 1_000_000)]


def test_an_empty_log_ends_at_zero(open_log: Opener) -> None:
    log = open_log()
    assert log.end() == 0
    assert log.read(0, 10) == []
    assert not log.wait(0, 0.01)


def test_records_come_back_as_they_were_in_order(open_log: Opener) -> None:
    log = open_log()
    odd = [b"", b"\x00\xff not json", b"x" * 1_000_000, "ü".encode()]
    appended = log.append([NewRecord(body, imported=at == 1) for at, body in enumerate(odd)])
    assert appended.offsets == range(4)
    stored = log.read(0, 10)
    assert [record.offset for record in stored] == [0, 1, 2, 3]
    assert [record.body for record in stored] == odd
    assert [record.imported for record in stored] == [False, True, False, False]
    assert len({record.received_at for record in stored}) == 1


def test_reading_begins_anywhere_and_ends_at_the_end(open_log: Opener) -> None:
    log = open_log()
    log.append(records(*"abcdef"))
    assert [r.body for r in log.read(2, 3)] == [b"c", b"d", b"e"]
    assert [r.body for r in log.read(5, 100)] == [b"f"]
    assert log.read(6, 100) == log.read(1_000, 1) == log.read(0, 0) == []


def test_appending_nothing_takes_no_offset(open_log: Opener) -> None:
    log = open_log()
    assert log.append([]).offsets == range(0)
    assert log.append(records("a")).offsets == range(1)


def test_what_was_appended_is_there_for_whoever_opens_next(open_log: Opener) -> None:
    first = open_log()
    first.append(records("a", "b"))
    received = [record.received_at for record in first.read(0, 2)]
    first.close()
    second = open_log()
    assert second.end() == 2
    assert [record.received_at for record in second.read(0, 2)] == received
    assert second.append(records("c")).offsets == range(2, 3)


def test_many_threads_append_without_holes_and_each_call_in_one_piece(open_log: Opener) -> None:
    log = open_log()

    def work(worker: int) -> list[tuple[range, list[str]]]:
        random_ = random.Random(worker)
        done = []
        for call in range(40):
            texts = [f"{worker}-{call}-{n}" for n in range(random_.randint(1, 9))]
            done.append((log.append(records(*texts)).offsets, texts))
        return done

    with ThreadPoolExecutor(12) as pool:
        calls = [call for done in pool.map(work, range(12)) for call in done]
    stored = bodies(log)
    assert sorted(offset for offsets, _ in calls for offset in offsets) == list(range(len(stored)))
    assert all([stored[at] for at in offsets] == texts for offsets, texts in calls)
    by_worker = [text.split("-")[:2] for text in stored if text.startswith("3-")]
    assert by_worker == sorted(by_worker, key=lambda one: int(one[1]))


def test_submitted_calls_keep_their_order(open_log: Opener) -> None:
    log = open_log()
    futures = [log.submit(records(str(n))) for n in range(300)]
    assert [future.result().offsets.start for future in futures] == list(range(300))
    assert bodies(log) == [str(n) for n in range(300)]


def test_a_caller_that_gave_up_harms_nobody(open_log: Opener) -> None:
    log = open_log()
    futures: list[Future[Any]] = []
    for n in range(300):
        futures.append(log.submit(records(str(n))))
        if n % 3 == 0:
            futures[-1].cancel()
    kept = [str(n) for n, future in enumerate(futures) if not future.cancelled()]
    log.append(records("last"))
    assert bodies(log) == [*kept, "last"]


def test_a_reader_is_woken_by_an_append(open_log: Opener) -> None:
    log = open_log()
    woken = threading.Thread(target=lambda: seen.append(log.wait(0, 20.0)))
    seen: list[bool] = []
    woken.start()
    log.append(records("a"))
    woken.join(20.0)
    assert seen == [True]
    assert log.wait(0, 0.0) and not log.wait(1, 0.01)


def test_closing_writes_what_is_queued_and_refuses_what_comes_after(open_log: Opener) -> None:
    log = open_log()
    futures = [log.submit(records(str(n))) for n in range(100)]
    log.close()
    assert [future.result(5).offsets.start for future in futures] == list(range(100))
    with pytest.raises(LogUnavailable, match="closed"):
        log.append(records("late"))
    log.close()
    assert len(bodies(open_log())) == 100


def test_repeats_are_counted_exactly(open_log: Opener) -> None:
    log = open_log(window=AppendWindow(1024))

    def event(key: int) -> NewRecord:
        return NewRecord(b"e", identity=key)

    assert log.append([event(1), event(2), event(1)]).duplicates == 1
    assert log.append([event(2), event(3)]).duplicates == 1
    assert log.append([NewRecord(b"control"), NewRecord(b"control")]).duplicates == 0
    assert len(bodies(log)) == 7, "a repeat is kept: the log is what was accepted"


def test_repeats_are_counted_exactly_from_many_threads(open_log: Opener) -> None:
    log = open_log(window=AppendWindow(1 << 14))
    sent = [random.Random(worker).sample(range(2_000), 900) for worker in range(8)]

    def work(keys: list[int]) -> int:
        return sum(
            log.append([NewRecord(b"e", identity=key) for key in keys[at : at + 30]]).duplicates
            for at in range(0, len(keys), 30)
        )

    with ThreadPoolExecutor(8) as pool:
        duplicates = sum(pool.map(work, sent))
    assert duplicates == 8 * 900 - len({key for keys in sent for key in keys})


def test_a_reader_beside_the_writer_sees_what_is_durable(open_log: Opener) -> None:
    writer = open_log()
    writer.append(records("a"))
    reader = open_log(read_only=True)
    assert (reader.end(), bodies(reader)) == (1, ["a"])
    writer.append(records("b"))
    assert reader.wait(1, 10.0)
    assert (reader.end(), bodies(reader)) == (2, ["a", "b"])
    with pytest.raises(LogUnavailable):
        reader.append(records("c"))


def test_another_process_reads_beside_the_writer(open_log: Opener, tmp_path: Path) -> None:
    writer = open_log()
    writer.append(records(*"abc"))
    script = """
        import sys; from pathlib import Path; from stream.sqlite.log import SqliteLog
        log = SqliteLog(Path(sys.argv[1]), read_only=True)
        print(log.end(), b"".join(r.body for r in log.read(0, 10)).decode())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "log.sqlite")],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.split() == ["3", "abc"]
    writer.append(records("d"))
    assert len(bodies(writer)) == 4


def test_a_writer_that_was_killed_lost_nothing_it_acknowledged(
    open_log: Opener, tmp_path: Path
) -> None:
    script = """
        import sys; from pathlib import Path
        from stream.records import NewRecord; from stream.sqlite.log import SqliteLog
        log = SqliteLog(Path(sys.argv[1]))
        for n in range(10_000):
            offsets = log.append([NewRecord(b"%d-%d" % (n, part)) for part in range(3)]).offsets
            print(offsets.stop, flush=True)
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "log.sqlite")],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    acknowledged = 0
    for line in child.stdout:
        acknowledged = int(line)
        if acknowledged > 200:
            child.kill()
            break
    acknowledged = max([acknowledged, *(int(line) for line in child.stdout if line.strip())])
    child.wait()
    child.stdout.close()
    log = open_log()
    stored = bodies(log)
    assert len(stored) >= acknowledged
    assert len(stored) % 3 == 0, "a call is kept whole or not at all"
    assert stored == [f"{n // 3}-{n % 3}" for n in range(len(stored))]


# A process whose files may not grow: the disk is full for it, and is freed again.
FULL = """
    import json, resource, sys
    from pathlib import Path
    from stream.append_window import AppendWindow
    from stream.errors import LogUnavailable
    from stream.records import NewRecord
    from stream.sqlite.log import SqliteLog

    log = SqliteLog(Path(sys.argv[1]), AppendWindow(1024))
    kept, refused, duplicates = [], 0, []

    def send(name):
        global refused
        try:
            done = log.append([
                NewRecord(f"{name}-{n}".encode().ljust(2000), identity=hash(name) % 2**60 + n)
                for n in range(5)
            ])
        except LogUnavailable as error:
            assert error.retry_after_s > 0
            refused += 1
            return False
        kept.extend(f"{name}-{n}" for n in range(5))
        duplicates.append(done.duplicates)
        return True

    send("before")
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    for n in range(60):
        send(f"full{n}")
    assert refused, "the disk was never full"
    assert len(log.read(0, 10_000)) == log.end() == len(kept)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert send("after") and send("after")
    print(json.dumps({"kept": kept, "duplicates": duplicates}))
    log.close()
"""


def test_a_full_disk_refuses_whole_calls_and_recovers(open_log: Opener, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL), str(tmp_path / "log.sqlite")],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    log = open_log()
    assert [body.strip() for body in bodies(log)] == told["kept"]
    assert [record.offset for record in log.read(0, 10_000)] == list(range(log.end()))
    assert told["duplicates"][-2:] == [0, 5]
    assert not any(told["duplicates"][:-2])


def test_on_a_full_file_system_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a tmpfs needs more rights than this user has")
    try:
        _fill_and_free(small)
    finally:
        subprocess.run(["umount", str(small)], check=True)


def _fill_and_free(small: Path) -> None:
    (small / "ballast").write_bytes(b"x" * 300_000)
    log, kept = SqliteLog(small / "log.sqlite"), 0
    with pytest.raises(LogUnavailable):
        for _ in range(200):
            log.append(records(*["x" * 5_000] * 3))
            kept += 3
    assert kept
    assert len(bodies(log)) == log.end() == kept
    (small / "ballast").unlink()
    log.append(records("after"))
    log.close()
    again = SqliteLog(small / "log.sqlite")
    assert bodies(again) == ["x" * 5_000] * kept + ["after"]
    again.close()


def test_what_is_no_log_is_refused_by_name(open_log: Opener, tmp_path: Path) -> None:
    (tmp_path / "log.sqlite").write_bytes(b"this is no database, whatever its name says" * 100)
    with pytest.raises(LogUnavailable, match=r"log\.sqlite cannot be opened"):
        open_log()
