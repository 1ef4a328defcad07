"""Stage one: log records in, training examples out; owner of the users of a partition.

Pure and deterministic: it reads nothing but its records, and stores facts, not meanings.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from models.examples import ATTRIBUTED, CAPPED, TYPES, Examples, Past
from models.impressions import Lists
from models.index import build, fingerprint
from models.tables import Arena, Array
from stream import described, leaving, open_lists, pool, recent
from stream.canary import is_canary, rows_of
from stream.errors import InvalidEvent
from stream.events import parse_item, parse_user
from stream.examples import (
    NOTHING,
    ClosedLists,
    Control,
    DeadLetter,
    Emitted,
    ExampleBatch,
    Piece,
)  # fmt: skip
from stream.manifest import Manifest
from stream.parsed import Checked, Parsed, is_in_time, is_kept, parsed
from stream.profile_buffers import columns_of, cut, room_for
from stream.profile_copies import copied
from stream.profile_kernels import (
    ASIDE,
    DUPLICATE,
    EXAMPLE,
    FUTURE,
    LATE,
    Events,
    Limits,
    Out,
    step,
)  # fmt: skip
from stream.profile_rows import Rows
from stream.records import LogRecord
from stream.setting import learning_in
from stream.waiting import Waiting

_REASONS: Final = {LATE: "late", FUTURE: "future"}
#: The type of whatever a partition has no number left for: learned, but with no weight.
OTHER: Final = "other"
#: Counts that `freshet state` shows.
COUNTS: Final = ("applied", "duplicates", "capped", "dead_letters", "other")


class UserRow(NamedTuple):
    """What serving knows of a user: one past, and what `GET /v1/users` shows."""

    past: Past
    types: list[str]
    counts: dict[str, int]
    last_time: float


class Profiles:
    """Profiles of the users of one partition, and the examples their events give."""

    def __init__(self, manifest: Manifest, partition: int = 0) -> None:
        self.manifest = manifest
        self.partition = partition
        self._seed = manifest.seed.to_bytes(8, "little")
        self._lock = threading.Lock()
        m = manifest
        rate = float("inf") if m.scoring == "all" else m.scoring_rate / m.partitions
        self._limits = Limits(
            m.history, m.seen, float(m.lateness_s), float(m.future_s), rate,
            m.user_events_per_minute, m.pair_events_per_hour, m.most_users,
        )  # fmt: skip
        self.arena = Arena(
            "users", "histories", "seens", recent.EXTENT, described.EXTENT, open_lists.EXTENT
        )
        self._declare(self.arena)
        self._types = self.arena.add_blobs("types")
        self._ids = self.arena.add_blobs("users.id")
        self._described: list[str] = []
        self._asides: set[int] = set()  # rows of canaries
        self.set_aside = 0  # their clicks since this process began
        self._left: list[str] = []
        self._told = described.Described(self.arena, self._seed, m.most_users)
        self._window = recent.Window(self.arena, m.dedup_window)
        self._lists = open_lists.OpenLists(self.arena, self._seed)
        self._make_room(1)

    def _declare(self, arena: Arena) -> None:
        arena.add("users.key", np.uint64, "users")
        arena.add("users.counts", np.int32, "users", TYPES)
        arena.add("users.last", np.float64, "users")
        arena.add("users.newest", np.int64, "users")
        arena.add("users.minute", np.int64, "users", 2)
        arena.add("users.history", np.int64, "users", 3)
        arena.add("users.seen", np.int64, "users", 3)
        for name, dtype in (
            ("key", np.uint64), ("time", np.float64), ("value", np.float32),
            ("hour", np.int32), ("type", np.uint8), ("count", np.uint8),
        ):  # fmt: skip
            arena.add(f"histories.{name}", dtype, "histories")
        arena.add("histories.free", np.int64, pool.CLASSES)
        arena.add("seens.key", np.uint64, "seens")
        arena.add("seens.mask", np.uint16, "seens")
        arena.add("seens.free", np.int64, pool.CLASSES)
        arena.add("number", np.int64, 1)
        arena.add("second", np.int64, 3)
        arena.add("counts", np.int64, len(COUNTS))
        arena.add("previous", np.int64, 1, fill=NOTHING)
        recent.declare(arena)
        described.declare(arena)
        open_lists.declare(arena)

    # Written by the owner of the partition alone, in log order.

    def step(self, records: Sequence[LogRecord]) -> Emitted:
        """Apply consecutive log records; nothing that one of them holds can stop the next."""
        pieces: list[Piece] = []
        dead: list[DeadLetter] = []
        waiting = Waiting(self._lists.is_due)
        for record in records:
            try:
                told = parsed(record, self.manifest, self._type_number)
                if told is None:  # what comes before a control record is learned before
                    pieces.extend(self._apply(waiting.taken(), dead))
                    pieces.extend(self._forward(record))
                elif not is_kept(told):
                    self._count("other", 1)  # from a producer that HTTP would have stopped
                else:
                    if waiting.ends_before(told):
                        pieces.extend(self._apply(waiting.taken(), dead))
                    waiting.put(told)
            except InvalidEvent as error:
                dead.append(self._bury(record, error.field or "malformed", str(error)))
        pieces.extend(self._apply(waiting.taken(), dead))
        self._count("dead_letters", len(dead))
        described, self._described = self._described, []
        left, self._left = self._left, []
        return Emitted(pieces, dead, records[-1].offset + 1 if records else 0, described, left)

    def _forward(self, record: LogRecord) -> list[Control]:
        """The control record as the model is to see it, if at all. Raises InvalidEvent."""
        body = self._control(record)
        self._count("other", 1)
        if body is None:
            return []
        return [Control(record.kind(), body, record.offset, self._chain(record.offset))]

    def _control(self, record: LogRecord) -> dict[str, Any] | None:
        """What the model is to be told of a control record, None: nothing. Raises InvalidEvent."""
        kind = record.kind()
        if kind == "item":
            item: dict[str, Any] = msgspec.to_builtins(parse_item(record.body))
            return item
        if kind == "setting":
            learning = learning_in(record.body)
            # The names a setting gives meaning to have their numbers before any client's own.
            for name in learning.events:
                self._type_number(name)
            return {"learning": msgspec.to_builtins(learning)}
        if kind == "user":
            user = parse_user(record.body)
            with self._lock:
                self.arena["number"][0] += 1
                key = self.key_of(user.user_id)
                self._left += self._told.put(user.user_id, key, user.attributes, self._rows)
            self._described.append(user.user_id)
        return None

    def _type_number(self, name: str) -> int:
        """A type's number in this partition; the last one is shared by all that come too late."""
        raw = name.encode()
        if raw not in self._types:
            if len(self._types) >= TYPES - 1:
                raw = OTHER.encode()
            if raw not in self._types:
                self._types.append(raw)
        return self._types.index(raw)

    def _apply(self, lot: list[Parsed], dead: list[DeadLetter]) -> Iterator[Piece]:
        if not lot:
            return
        events = [told for told in lot if isinstance(told, Checked)]
        self._count("other", len(lot) - len(events))
        examples, gave = self._emit(events, dead) if events else (None, [])
        lists, closed = self._lists.join(lot, gave)
        if examples is not None and lists.rung.size:
            yield self._batch(list(compress(events, gave)), examples, lists)
        types = self.types if closed else []
        for at, outcomes in closed:
            position = lot[at].record.offset
            yield ClosedLists(outcomes, types, position, self._chain(position))

    def _emit(self, waiting: list[Checked], dead: list[DeadLetter]) -> tuple[Examples, list[bool]]:
        """Apply events; answers what they emit, and which of them gave an example."""
        n = len(waiting)
        events = columns_of(waiting, self.key_of, self.event_key)
        out = room_for(n, self.manifest.seen)
        self._make_room(n)  # nobody else writes: what readers hold stays true meanwhile
        with self._lock:
            self._take_in(waiting, events, out)
        emitted = int(out.progress[1])
        for checked, status in zip(waiting, out.status.tolist(), strict=True):
            if status in _REASONS:
                reason = _REASONS[status]
                dead.append(self._bury(checked.record, reason, f"timestamp: is too {reason}"))
        self._count("duplicates", int((out.status == DUPLICATE).sum()))
        self._count("other", int((out.status == ASIDE).sum()))
        self._count("applied", emitted)
        self._count("capped", int((out.examples.flags[:emitted] & CAPPED > 0).sum()))
        return out.examples, (out.status == EXAMPLE).tolist()

    def _take_in(self, waiting: list[Checked], events: Events, out: Out) -> None:
        """Run the kernel over all events; whoever leaves on the way does so at one place."""
        done, begun, recents = False, 0, self._window.view(len(waiting))
        while not done:
            done = step(self._rows, self._told.view, recents, self._limits, events, out)
            until = int(out.progress[0])
            self._name_new(waiting[begun:until], out, begun)
            begun = until
            if not done:
                self._left += leaving.let_go(self.arena, self._rows, self._ids)
                self._asides = rows_of(self._ids)
                self._refresh()

    def key_of(self, text: str) -> int:
        return fingerprint(text, self._seed)

    def event_key(self, checked: Checked) -> int:
        event = checked.event
        event_id = event.event_id or f"@{self.partition}:{checked.record.offset}"
        return identity(event.user_id, event_id, self._seed)

    def identity_of(self, record: LogRecord) -> int | None:
        """The dedup key of a record, None where it has none or cannot be learned."""
        try:
            told = parsed(record, self.manifest, lambda _: 0)
        except InvalidEvent:
            return None
        if not isinstance(told, Checked) or not is_in_time(record, told.time, self.manifest):
            return None
        return None if is_canary(told.event.user_id) else self.event_key(told)

    def _name_new(self, some: list[Checked], out: Out, begun: int) -> None:
        part = slice(begun, begun + len(some))
        for checked, status, row in zip(some, out.status[part], out.user_row[part], strict=True):
            if status == ASIDE:  # no example tells of it; its row is to be written all the same
                self._described.append(checked.event.user_id)
                self._asides.add(int(row))
                self.set_aside += 1
            if status in (EXAMPLE, ASIDE) and row == len(self._ids):
                self._ids.append(checked.event.user_id.encode())

    def _batch(self, kept: list[Checked], e: Examples, lists: Lists) -> ExampleBatch:
        n = len(kept)
        attributed = [c.event.recommendation_id is not None for c in kept]
        e.flags[:n] |= np.array(attributed, np.uint8) * np.uint8(ATTRIBUTED)
        positions = np.array([c.record.offset for c in kept], np.int64)
        previous = np.empty(n, np.int64)
        previous[0] = self.arena["previous"][0]
        previous[1:] = positions[:-1]
        self.arena["previous"][0] = positions[-1]
        return ExampleBatch(
            cut(e, n), [c.event.item_id for c in kept], [c.event.user_id for c in kept],
            self.types, positions, previous, lists,
        )  # fmt: skip

    def _chain(self, position: int) -> int:
        previous = int(self.arena["previous"][0])
        self.arena["previous"][0] = position
        return previous

    def _bury(self, record: LogRecord, reason: str, error: str) -> DeadLetter:
        return DeadLetter(
            self.partition, record.offset, reason, error, record.body, record.received_at
        )

    def _count(self, name: str, more: int) -> None:
        self.arena["counts"][COUNTS.index(name)] += more

    # Read by others, beside the owner.

    @property
    def types(self) -> list[str]:
        return [raw.decode() for raw in self._types]

    @property
    def users(self) -> int:
        return self.arena.count("users") - len(self._asides)

    def counts(self) -> dict[str, int]:
        return dict(zip(COUNTS, self.arena["counts"].tolist(), strict=True))

    def row(self, user_id: str) -> UserRow | None:
        """A copy of the user's row, whole and of one moment; None for somebody unknown.

        One of whom only attributes are known has no counts.
        """
        key = np.uint64(self.key_of(user_id))
        with self._lock:
            past, counts, last = copied(self._rows, self._told.view, key)
        if not len(counts):
            return UserRow(past, [], {}, 0.0) if len(past.attribute_key) else None
        names = self.types
        some = zip(names, counts.tolist(), strict=False)
        return UserRow(past, names, {name: count for name, count in some if count}, last)

    def all_user_ids(self) -> list[str]:
        """Every user, in the order they were met."""
        return [raw.decode() for raw in self._ids]

    def last_emitted(self) -> int:
        """Position of the newest piece emitted; NOTHING before the first."""
        return int(self.arena["previous"][0])

    def attributes(self, user_id: str) -> dict[str, Any]:
        return self._told.attributes(user_id)

    def user_ids(self, limit: int) -> list[tuple[str, int]]:
        """The most recently active users and their event counts, canaries left out."""
        with self._lock:
            last = self._rows.last[: self.arena.count("users")]
            order = np.argsort(-last, kind="stable")[: limit + len(self._asides)]
            counts = self._rows.counts[order].sum(axis=1).tolist()
        found = zip(order.tolist(), counts, strict=True)
        return [(self._ids[row].decode(), n) for row, n in found if row not in self._asides][:limit]

    # The state as a whole.

    def digest(self) -> bytes:
        digest = hashlib.blake2b(self.arena.digest(), digest_size=16)
        digest.update(msgspec.json.encode(self.manifest))
        digest.update(self._told.content())
        return digest.digest()

    def dump(self, *, lent: bool = False) -> tuple[dict[str, Array], dict[str, bytes]]:
        objects = {
            "manifest": msgspec.json.encode(self.manifest),
            "attributes": self._told.dump(),
        }
        return self.arena.dump(lent=lent), objects

    def load(self, tables: Mapping[str, Array], objects: Mapping[str, bytes]) -> None:
        with self._lock:
            self.arena.load(tables)
            self._told.load(objects["attributes"])
            self._window.refresh()
            self._lists.refresh()
            self._refresh()
            self._asides = rows_of(self._ids)

    def _make_room(self, events: int) -> None:
        arena = self.arena
        arena.reserve("users", min(arena.count("users") + events, self.manifest.most_users))
        # A row that grows takes one chunk of at most the largest size.
        largest = pool.SMALLEST
        while largest < self.manifest.history:
            largest *= 2
        arena.reserve("histories", arena.count("histories") + events * largest)
        arena.reserve("seens", arena.count("seens") + events * pool.LARGEST)
        if not hasattr(self, "_generation") or self._generation != arena.generation:
            self._refresh()

    def _refresh(self) -> None:
        a = self.arena
        slots = build(a["users.key"], a.count("users"), a.capacity("users"))
        self._rows = Rows(
            a.used, slots, a["users.key"], a["users.counts"], a["users.last"],
            a["users.newest"], a["users.minute"], a["users.history"], a["users.seen"],
            a["histories.key"], a["histories.time"], a["histories.value"], a["histories.hour"],
            a["histories.type"], a["histories.count"], a["histories.free"],
            a["seens.key"], a["seens.mask"], a["seens.free"], a["number"],
            a["second"],
        )  # fmt: skip
        self._generation = a.generation


def identity(user_id: str, event_id: str, seed: bytes) -> int:
    """The key of an event: its user and its id, unambiguously joined."""
    return fingerprint(f"{len(user_id)}:{user_id}:{event_id}", seed)
