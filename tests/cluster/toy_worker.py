"""A worker process for the tests of the source: handlers whose state is a count and a digest.

Snapshots are immutable files named by partition and position, as the product's are. What happens
is written to a log of JSON lines, one file a process.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import itertools
import json
import logging
import os
import signal
import time
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from stream.faust.app import Timeouts
from stream.faust.source import FaustSource
from stream.source import TP, SourceRecord


def folded(digest: str, offset: int, value: bytes | None) -> str:
    """The digest of a partition's prefix, one record longer."""
    hashed = hashlib.blake2b(digest.encode(), digest_size=12)
    hashed.update(offset.to_bytes(8, "big") + (value or b""))
    return hashed.hexdigest()


class Toy:
    """Counts records and folds them into a digest; saves every `save_every` records."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.folder = Path(options.folder)
        self.state: dict[TP, dict[str, Any]] = {}
        self.saved: dict[TP, int | None] = {}
        self.source: FaustSource | None = None
        self.late: list[float] = []
        self._log = (self.folder / f"{os.getpid()}.log").open("a", buffering=1)

    def log(self, what: str, **more: Any) -> None:
        print(json.dumps({"what": what, "at": time.time(), **more}), file=self._log)

    async def assigned(self, partitions: set[TP]) -> dict[TP, int | None]:
        self.log("assigned", partitions=len(partitions))
        await asyncio.sleep(self.options.load_s)
        self.state = {tp: self.load(tp) for tp in partitions}
        self.saved = {tp: state["next"] for tp, state in self.state.items()}
        for tp, state in self.state.items():  # back to the snapshot: not all is handled any more
            self.note("progress", tp, {**state, "pid": os.getpid()})
        self.log("loaded", next={f"{t}-{p}": s["next"] for (t, p), s in self.state.items()})
        return dict(self.saved)

    async def revoked(self, partitions: set[TP]) -> None:
        self.log("revoked", partitions=len(partitions))
        for tp in partitions:
            self.state.pop(tp, None)

    async def handle(self, records: list[SourceRecord]) -> None:
        for tp, some in itertools.groupby(records, lambda record: record.tp):
            await self._handle(tp, list(some))

    async def _handle(self, tp: TP, records: list[SourceRecord]) -> None:
        state = self.state[tp]
        for record in records:
            if state["next"] is not None and record.offset < state["next"]:
                raise AssertionError(f"offset {record.offset} came again")
            if record.offset == self.options.fail_at:
                raise ValueError("as the test asked")
            await self.apply(state, record)
            state["next"] = record.offset + 1
            if self.options.work_s:
                await asyncio.sleep(self.options.work_s)
        if self.options.latency:
            now = time.time_ns()
            self.late.extend((now - int(record.key or 0)) / 1e6 for record in records)
        self.note("progress", tp, {**state, "pid": os.getpid()})
        if state["next"] - (self.saved[tp] or 0) >= self.options.save_every:
            await self.save(tp)
            if self.source is not None:
                await self.source.commit({tp: state["next"]})

    async def stopping(self) -> None:
        for tp, state in self.state.items():
            if state["next"] is not None:
                await self.save(tp)
        assert self.source is not None
        counts = {name: getattr(self.source.counts, name) for name in self.source.counts.__slots__}
        self.log("stopped", counts=counts, late=self.late)

    async def apply(self, state: dict[str, Any], record: SourceRecord) -> None:
        state["count"] += 1
        state["digest"] = folded(state["digest"], record.offset, record.value)

    async def save(self, tp: TP) -> None:
        state = self.state[tp]
        self.saved[tp] = state["next"]
        self.note(f"{state['next']:012d}", tp, state)

    def load(self, tp: TP) -> dict[str, Any]:
        names = sorted(self.folder.glob(f"{tp.topic}-{tp.partition}.0*"), reverse=True)
        if names:
            state: dict[str, Any] = json.loads(names[0].read_text())
            return state
        return {"next": None, "count": 0, "digest": "", "mark": None}

    def note(self, name: str, tp: TP, state: dict[str, Any]) -> None:
        part = self.folder / f"part-{os.getpid()}-{tp.topic}-{tp.partition}"
        part.write_text(json.dumps(state))
        part.rename(self.folder / f"{tp.topic}-{tp.partition}.{name}")


class Relay(Toy):
    """Stage one of two: sends an example for every record, chained to the one before."""

    producer: AIOKafkaProducer | None = None

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self.sent: list[asyncio.Future[Any]] = []

    async def apply(self, state: dict[str, Any], record: SourceRecord) -> None:
        await super().apply(state, record)
        if self.producer is None:
            self.producer = AIOKafkaProducer(
                bootstrap_servers=self.options.bootstrap, acks="all", enable_idempotence=True
            )
            await self.producer.start()
        example = {
            "partition": record.tp.partition, "position": record.offset, "prev": state["mark"],
            "digest": state["digest"],
        }  # fmt: skip
        value = json.dumps(example).encode()
        self.sent.append(await self.producer.send(self.options.out, value, partition=0))
        state["mark"] = record.offset

    async def handle(self, records: list[SourceRecord]) -> None:
        await super().handle(records)
        await self.settle()

    async def save(self, tp: TP) -> None:
        await self.settle()
        await super().save(tp)

    async def settle(self) -> None:
        sent, self.sent = self.sent, []
        await asyncio.gather(*sent)


class Chain(Toy):
    """Stage two: applies an example only if it follows its partition's mark."""

    async def apply(self, state: dict[str, Any], record: SourceRecord) -> None:
        example = json.loads(record.value or b"")
        marks = state["mark"] = state["mark"] or {}
        key = str(example["partition"])
        mark = marks.get(key)
        if mark is not None and example["position"] <= mark:
            return
        if example["prev"] != mark:
            self.log("gap", mark=mark, example=example)
            return
        marks[key] = example["position"]
        state["count"] += 1
        state["digest"] = folded(state["digest"], example["position"], record.value)


STAGES = {"toy": Toy, "relay": Relay, "chain": Chain}


async def main(options: argparse.Namespace) -> None:
    pairs = []
    for stage in options.stage.split("+"):
        toy = STAGES[stage](options)
        topics = options.out if stage == "chain" else options.topics
        toy.source = FaustSource(
            options.bootstrap, f"{options.group}-{stage}", topics.split(","),
            timeouts=Timeouts(session_s=options.session_s), instance=options.instance,
        )  # fmt: skip
        pairs.append((toy.source, toy))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop, [source for source, _ in pairs])
    await asyncio.gather(*(source.run(handler) for source, handler in pairs))


def stop(sources: list[FaustSource]) -> None:
    for source in sources:
        source.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("bootstrap", "group", "topics", "folder"):
        parser.add_argument(name)
    parser.add_argument("--stage", default="toy")
    parser.add_argument("--out", default="")
    parser.add_argument("--instance")
    parser.add_argument("--save-every", type=int, default=500)
    parser.add_argument("--session-s", type=float, default=3.0)
    parser.add_argument("--fail-at", type=int)
    parser.add_argument("--load-s", type=float, default=0.0)
    parser.add_argument("--work-s", type=float, default=0.0)
    parser.add_argument("--latency", action="store_true")
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    asyncio.run(main(parser.parse_args()))
