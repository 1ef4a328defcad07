"""`Service` of the cluster: appends to Kafka, reads rows from Redis, ranks with a replica."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from models.model import Model
from models.settings import LearningSettings
from stream.cluster.replica import Replica
from stream.impression_queue import ImpressionQueue
from stream.impressions import Impression
from stream.kafka.envelopes import partition_of
from stream.manifest import Manifest
from stream.profiles import UserRow
from stream.service import Applied, Checked, Freshness, Reading, Receipt
from stream.setting import changes, setting_record

# How often a wait for the replica looks again; a click is shown within a few of these.
_LOOK_S: Final = 0.004


class Appender(Protocol):
    """Durable appends. Raises LogUnavailable."""

    async def append_feedback(self, events: Sequence[Checked], imported: bool) -> Receipt: ...

    async def append_control(self, bodies: Sequence[bytes]) -> Receipt: ...


class StoredRow(Protocol):
    """A row as a store holds it."""

    @property
    def row(self) -> UserRow | None: ...


class StoredUser(Protocol):
    """A row and its partition's mark, of one moment."""

    @property
    def stored(self) -> StoredRow | None: ...

    @property
    def mark(self) -> int | None: ...


class RowReader(Protocol):
    """Rows for serving. Raises StoreUnavailable."""

    async def user(self, user_id: str) -> StoredUser: ...

    async def wait(self, partition: int, position: int, timeout_s: float) -> bool: ...


@dataclass(frozen=True)
class Serving:
    """A namespace as it is served: its replica of the model, and its rows."""

    namespace: str
    manifest: Manifest
    replica: Replica
    rows: RowReader


class ClusterService:
    """One API process of the cluster. `use` changes over to another namespace or replica."""

    mode = "cluster"
    namespace: str
    manifest: Manifest
    model: Model

    def __init__(self, serving: Serving, appender: Appender) -> None:
        self._appender = appender
        self.replica_mismatches = 0
        self.use(serving)

    def use(self, serving: Serving) -> None:
        """Serve this from now on; appends go to the same log, so tokens keep their meaning."""
        self.serving = serving
        self.namespace, self.manifest = serving.namespace, serving.manifest
        self.model = serving.replica.learning.stage.model
        self._replica, self._rows = serving.replica, serving.rows
        self._marks: dict[int, int] = {}
        self._shown = ImpressionQueue(self._append_shown)
        self._newest: LearningSettings | None = None

    async def append_feedback(self, events: Sequence[Checked], imported: bool) -> Receipt:
        return await self._appender.append_feedback(events, imported)

    async def append_control(self, bodies: Sequence[bytes]) -> Receipt:
        return await self._appender.append_control(bodies)

    def append_impressions(self, impressions: Sequence[Impression]) -> None:
        self._shown.put(impressions)

    async def impressions_kept(self) -> None:
        await self._shown.drain()

    async def _append_shown(self, records: Sequence[tuple[str, bytes]]) -> None:
        await self._appender.append_control([body for _, body in records])

    async def apply_settings(self, settings: LearningSettings) -> Applied:
        # What is appended but not yet replayed is in force already for the next change.
        changed = changes(self._newest or self.model.settings, settings)
        if not changed:
            return Applied([], self.position(""))
        receipt = await self._appender.append_control([setting_record(settings)])
        self._newest = settings
        return Applied(changed, receipt.positions)

    async def read(self, user_id: str) -> Reading:
        """Row and mark are of one moment: what the position tells of is in the row."""
        partition = self._partition_of(user_id)
        user = await self._rows.user(user_id)
        if user.mark is not None:
            self._marks[partition] = max(user.mark, self._marks.get(partition, 0))
        row = user.stored.row if user.stored is not None else None
        return Reading(row, self.position(user_id))

    async def wait(self, user_id: str, after: dict[int, int], timeout_s: float) -> bool:
        """Wait for the user's own partition; for the catalogue's where the token names it."""
        end = time.monotonic() + timeout_s
        control = self.manifest.partitions
        if control in after and not await self._replayed(control, after[control], end):
            return False
        partition = self._partition_of(user_id)
        if partition not in after:
            return True
        left = max(end - time.monotonic(), 0.0)
        return await self._rows.wait(partition, after[partition], left)

    async def _replayed(self, partition: int, position: int, end: float) -> bool:
        while self._replica.learning.stage.marks.get(partition, -1) + 1 < position:
            if time.monotonic() >= end:
                return False
            await asyncio.sleep(_LOOK_S)
        return True

    def position(self, user_id: str) -> dict[int, int]:
        partition = self._partition_of(user_id)
        return {partition: self._marks.get(partition, 0)}

    def published_at(self) -> float:
        return self._replica.published_at

    def ready(self) -> str | None:
        if self._replica.fault is not None:
            return self._replica.fault
        return None if self._replica.caught_up else "the replica is still reading the log"

    def status(self) -> dict[str, float]:
        learning = self._replica.learning
        return {
            "position": learning.next or 0,
            "lag_records": self._replica.behind,
            "items": self.model.items,
            "model_age_seconds": time.monotonic() - self.published_at(),
            "impressions_dropped": self._shown.dropped,
            "items_left": self.model.items_left,
            "refused": learning.standing_gaps,
            "dead_letters": learning.dropped,
            "replica_mismatches": self.replica_mismatches,
        }

    def freshness(self) -> Freshness:
        ages = self._replica.ages
        return Freshness({0: self._replica.lag_s()}, ages.cumulative(), ages.sum_s)

    def recent_users(self, limit: int) -> list[tuple[str, int]]:
        """Users of the newest events this process has replayed, with their events among them."""
        counts: dict[str, int] = {}
        for entry in reversed(self._replica.activity.since(0)[0]):
            counts[entry["user_id"]] = counts.get(entry["user_id"], 0) + 1
        return list(counts.items())[:limit]

    def activity(self, after: int) -> tuple[list[dict[str, Any]], int]:
        return self._replica.activity.since(after)

    def _partition_of(self, user_id: str) -> int:
        return partition_of(user_id, self.manifest.partitions)
