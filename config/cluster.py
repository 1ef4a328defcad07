"""Builds the cluster's processes: the worker's stages and the API, over Kafka and Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import InitVar, dataclass, field
from functools import partial
from typing import Any, Literal

from msgspec import structs

from config.namespaces import head_of
from config.redis_link import redis_link
from config.settings import Settings
from config.snapshots import stored_snapshots
from models.model import Model
from stream.cluster.emitter import Emitter
from stream.cluster.keeper import Keeper
from stream.cluster.model_worker import Learning
from stream.cluster.offline import Offline
from stream.cluster.profiles_worker import ProfilesWorker
from stream.cluster.replica import Replica
from stream.cluster.same_log import CheckedSnapshots, place_of
from stream.cluster.service import ClusterService, Serving
from stream.cluster.standby import Beside, StandbyModelWorker
from stream.errors import StreamError
from stream.faust.app import Timeouts
from stream.faust.source import FaustSource
from stream.kafka import filled
from stream.kafka.appender import KafkaAppender
from stream.kafka.envelopes import partition_of
from stream.kafka.names import Topics
from stream.kafka.peek import Peek
from stream.kafka.security import Link as KafkaLink
from stream.manifest import Manifest
from stream.model_stage import Watcher
from stream.ports import SnapshotStore
from stream.redis.link import Link as RedisLink
from stream.redis.notices import Notices
from stream.redis.published import Published
from stream.redis.reader import RedisReader
from stream.redis.stage_store import StageStore
from stream.redis.writer import RedisRows
from stream.saving import SavePolicy
from stream.source import Handler

Stage = Literal["profiles", "model"]


@dataclass(frozen=True)
class Parts:
    """What every process of a namespace has in common; `agreed` tells whose log it learns from."""

    settings: Settings
    agreed: InitVar[Topics | None] = None
    manifest: Manifest = field(init=False)
    topics: Topics = field(init=False)
    kafka: KafkaLink = field(init=False)
    peek: Peek = field(init=False)

    def __post_init__(self, agreed: Topics | None) -> None:
        s = self.settings
        partitions = s.kafka.partitions
        object.__setattr__(self, "manifest", structs.replace(s.manifest, partitions=partitions))
        object.__setattr__(self, "topics", agreed or Topics(s.core.namespace))
        object.__setattr__(self, "kafka", KafkaLink(s.kafka.bootstrap, s.kafka.security))
        object.__setattr__(self, "peek", Peek(self.kafka))

    def partition_of(self) -> Callable[[str], int]:
        return partial(_partition_of, self.manifest.partitions)

    def snapshots(self, read_only: bool = False) -> SnapshotStore:
        """Where this namespace's state is kept; each is held against the log when it is read.

        Raises ConfigError for an URL nobody can open, StreamError for what is not writable.
        """
        place = place_of(
            self.topics.events, self.topics.control, self.topics.examples, self.manifest.partitions
        )
        return CheckedSnapshots(self.stored_snapshots(read_only), self.peek, place)

    def stored_snapshots(self, read_only: bool = False) -> SnapshotStore:
        return stored_snapshots(self.settings, self.settings.core.namespace, read_only)

    def model(self) -> Model:
        return Model(self.settings.learning, self.manifest.seed)

    def published(self) -> Published:
        link = redis_link(self.settings.redis, self.settings.redis.worker_timeout_s)
        return Published(link, self.settings.core.namespace)

    def notices(self, timeout_s: float) -> Notices:
        return Notices(redis_link(self.settings.redis, timeout_s), self.topics.log)

    def learning(self) -> Learning:
        return Learning(self.model(), self.settings.snapshots.hash_every_records)

    def store(self) -> StageStore:
        link = redis_link(self.settings.redis, self.settings.redis.worker_timeout_s)
        return StageStore(RedisRows(link, self.settings.core.namespace, self.partition_of()))


def _partition_of(partitions: int, user_id: str) -> int:
    return partition_of(user_id, partitions)


@dataclass(frozen=True)
class Member:
    """One stage in its consumer group, ready to run."""

    group: str
    source: FaustSource
    handler: Handler
    emitter: Emitter | None = None
    mind: Callable[[], Coroutine[Any, Any, None]] | None = None

    async def run(self) -> None:
        if self.emitter is not None:
            await self.emitter.start()
        minding = asyncio.create_task(self.mind()) if self.mind is not None else None
        try:
            await self.source.run(self.handler)
        finally:
            if minding is not None:
                minding.cancel()
            if self.emitter is not None:
                await self.emitter.stop()


def member(parts: Parts, stage: Stage) -> Member:
    """One stage of a worker."""
    s = parts.settings
    policy = SavePolicy(s.snapshots.every_records, s.snapshots.every_s, s.snapshots.keep)
    if stage == "profiles":
        topics, group = [parts.topics.events, parts.topics.control], parts.topics.profiles_group
        emitter = Emitter(parts.kafka)
        handler = ProfilesWorker(
            parts.manifest, parts.topics, emitter, parts.store(), parts.snapshots(), policy
        )
        handler.source = _source(parts, group, topics)
        return Member("profiles", handler.source, handler, emitter, handler.mind_the_store)
    model = StandbyModelWorker(
        parts.model(), parts.store(), parts.snapshots(), policy, _beside(parts), parts.published()
    )
    model.source = _source(parts, parts.topics.model_group, [parts.topics.examples])
    return Member("model", model.source, model, mind=model.stand_by)


def _beside(parts: Parts) -> Beside:
    s = parts.settings
    return Beside(
        partial(_follow, parts), parts.notices(s.redis.worker_timeout_s), parts.topics.namespace,
        s.snapshots.hash_every_records,
    )  # fmt: skip


def _follow(parts: Parts, learning: Learning, watch: Watcher) -> Replica:
    return Replica(learning, parts.kafka, parts.topics.examples, parts.snapshots(True), watch)


def _source(parts: Parts, group: str, topics: list[str]) -> FaustSource:
    w, options = parts.settings.worker, parts.kafka.options()
    timeouts = Timeouts(
        session_s=w.session_timeout_s, heartbeat_s=w.heartbeat_s, rebalance_s=w.rebalance_timeout_s
    )
    options.pop("bootstrap_servers")
    return FaustSource(
        parts.settings.kafka.bootstrap, group, topics, timeouts=timeouts,
        instance=f"{w.instance_id}.{group}" if w.instance_id else None, **options,
    )  # fmt: skip


@dataclass(frozen=True)
class ApiProcess:
    """The service of one API process, and what must live as long as its event loop."""

    service: ClusterService
    appender: KafkaAppender
    redis: RedisLink
    keeper: Keeper

    @asynccontextmanager
    async def lifespan(self, app: object) -> AsyncIterator[None]:
        await self.appender.start()
        self.service.serving.replica.start()
        keeping = asyncio.create_task(self.keeper.run())
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await self.appender.stop()
            self.service.serving.replica.stop()
            await self.redis.close()


def api_process(parts: Parts) -> ApiProcess:
    """One API process: a replica of the model, rows from Redis, appends to Kafka.

    One of the log's own namespace serves whichever `freshet store switch` has named; one
    started on a namespace filled beside it stays there.
    """
    s = parts.settings
    redis = redis_link(s.redis, s.redis.request_timeout_s)
    appender = KafkaAppender(parts.kafka, parts.topics, parts.manifest)
    service = ClusterService(_serving(parts, redis), appender)
    keeper = Keeper(
        service, Notices(redis, parts.topics.log), partial(_opened, parts, redis),
        parts.topics.namespace, parts.topics.owns_log,
    )  # fmt: skip
    return ApiProcess(service, appender, redis, keeper)


def _serving(parts: Parts, redis: RedisLink) -> Serving:
    snapshots, topics = parts.snapshots(True), parts.topics
    replica = Replica(parts.learning(), parts.kafka, topics.examples, snapshots)
    reader = RedisReader(redis, topics.namespace, parts.partition_of())
    return Serving(topics.namespace, parts.manifest, replica, reader)


def _opened(parts: Parts, redis: RedisLink, namespace: str) -> Serving:
    """What serves another namespace of the same log. Raises StreamError."""
    return _serving(beside(parts, namespace), redis)


def beside(parts: Parts, namespace: str) -> Parts:
    """The parts of another namespace that learns from the same log, under its own manifest.

    Raises StreamError when there is none, BrokerUnreachable.
    """
    s, topics = parts.settings, parts.topics
    if namespace == topics.namespace:
        return parts
    core, manifest, names = structs.replace(s.core, namespace=namespace), s.manifest, topics
    head = head_of(s, namespace)
    if head is not None and head["reads"] == topics.log:
        manifest, names = filled.manifest_of(head), Topics(namespace, topics.log)
    elif namespace == topics.log:
        names = Topics(namespace)
    else:
        raise StreamError(
            f"{namespace} does not exist beside {topics.log}; fill it with "
            f"`freshet worker --from-start --into {namespace}`"
        )
    return Parts(structs.replace(s, core=core, manifest=manifest), names)


def offline(parts: Parts) -> Offline:
    return Offline(parts.manifest, parts.settings.learning, parts.topics)
