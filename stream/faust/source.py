"""`FaustSource`: a member of a Kafka consumer group that hands raw records to a handler."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from ssl import SSLContext
from typing import cast

from aiokafka.structs import TopicPartition

from stream.faust.app import App, Security, Timeouts, make_app
from stream.faust.consumer import ExactConsumer
from stream.faust.feed import Counts, Feed
from stream.faust.process import end_process, end_process_in
from stream.source import TP, Handler

logger = logging.getLogger(__name__)

#: A broker that answers lets a member go within 0.1 s.
LEAVE_S = 3.0
#: What the caller has to close after `run`, when Faust will not end by itself.
GRACE_S = 3.0


class FaustSource:
    """`Source` over Faust: one app, one agent, exact positions.

    `batch` bounds the records of one `handle`. `instance` names a static member: a restarted
    worker gets its partitions back at once, and the others are left alone; its partitions rest
    while it is away, up to `session_s`.

    >>> source = FaustSource("127.0.0.1:9092", "profiles", ["events", "control"])
    >>> source.counts.refused
    0
    """

    def __init__(
        self,
        bootstrap: str,
        group: str,
        topics: Sequence[str],
        *,
        security_protocol: str = "PLAINTEXT",
        ssl_context: SSLContext | None = None,
        sasl_mechanism: str = "PLAIN",
        sasl_plain_username: str | None = None,
        sasl_plain_password: str | None = None,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        instance: str | None = None,
        batch: int = 200,
    ) -> None:
        self.counts = Counts()
        self._bootstrap, self._group, self._topics = bootstrap, group, list(topics)
        self._security = Security(
            security_protocol, ssl_context, sasl_mechanism, sasl_plain_username, sasl_plain_password
        )
        self._timeouts, self._instance, self._batch = timeouts, instance, batch
        self._feed: Feed | None = None
        self._app: App | None = None
        self._asked_to_stop = asyncio.Event()

    @property
    def positions(self) -> dict[TP, int]:
        """The next offset of every partition owned and loaded; empty while a rebalance goes on."""
        return dict(self._feed.next) if self._feed else {}

    def ends(self) -> dict[TP, int]:
        """The log's end of partitions owned, where a fetch has told it. For any thread."""
        found: dict[TP, int] = {}
        consumer = self._app.consumer if self._app is not None else None
        for tp in self.positions:
            try:
                end = consumer.highwater(TopicPartition(*tp)) if consumer is not None else None
            except Exception:  # noqa: BLE001 - in the middle of a rebalance: not known now
                continue
            if end is not None:
                found[tp] = end
        return found

    async def run(self, handler: Handler) -> None:
        """Join the group and read until `stop`; any failure ends the process."""
        self._feed = Feed(handler, self._batch, end_process, self.counts)
        self._app = make_app(
            self._bootstrap, self._group, self._topics, self._feed,
            self._security, self._timeouts, self._instance,
        )  # fmt: skip
        starting = asyncio.create_task(self._app.start())
        failing = asyncio.create_task(self._failed(starting))
        stopping = asyncio.create_task(self._asked_to_stop.wait())
        await asyncio.wait({failing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if failing.done():
            end_process("read", failing.result())
        # The order: no more records → the call in progress ends → `stopping` → the group is left.
        await self._feed.stop(self._timeouts.stop_s)
        failing.cancel()
        await self._leave(self._app)
        starting.cancel()

    def stop(self) -> None:
        """Ask `run` to return."""
        self._asked_to_stop.set()

    async def commit(self, offsets: dict[TP, int]) -> None:
        if self._app is not None:
            await cast(ExactConsumer, self._app.consumer).commit_positions(offsets)

    async def _leave(self, app: App) -> None:
        """Leave the group, so that others take over at once.

        Without a broker Faust never comes to an end: then the others wait for the session, and
        this process ends a little later by force. Everything is saved by now.
        """
        leaving = asyncio.create_task(app.stop())
        done, _ = await asyncio.wait({leaving}, timeout=LEAVE_S)
        if not done:
            logger.warning("the broker does not answer: %s is not left in order", self._group)
            end_process_in(GRACE_S)

    async def _failed(self, starting: asyncio.Task[None]) -> BaseException:
        """Return what went wrong with Faust, if anything does."""
        app = cast(App, self._app)
        try:
            await starting
            await app.wait_until_stopped()
        except Exception as error:  # noqa: BLE001 - the caller ends the process with it
            return error
        return app.crash_reason or RuntimeError("Faust stopped by itself")
