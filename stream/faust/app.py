"""The Faust app: its settings, each with the reason why it holds, and its one thin agent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any

from stream.faust.consumer import ExactTransport, ParcelMessage
from stream.faust.feed import Feed
from stream.faust.library import CredentialsT, SASLCredentials, SSLCredentials, faust


@dataclass(frozen=True)
class Security:
    """How to reach the broker; names and values are those of aiokafka's own options."""

    security_protocol: str = "PLAINTEXT"
    ssl_context: SSLContext | None = None
    sasl_mechanism: str = "PLAIN"
    sasl_plain_username: str | None = None
    sasl_plain_password: str | None = None

    def credentials(self) -> CredentialsT | None:
        if self.security_protocol == "PLAINTEXT":
            return None
        if self.security_protocol == "SSL":
            return SSLCredentials(self.ssl_context)
        return SASLCredentials(
            username=self.sasl_plain_username,
            password=self.sasl_plain_password,
            ssl_context=self.ssl_context if self.security_protocol == "SASL_SSL" else None,
            mechanism=self.sasl_mechanism,
        )


@dataclass(frozen=True)
class Timeouts:
    """Seconds. `session_s` is how long a killed worker's partitions rest."""

    session_s: float = 6.0
    heartbeat_s: float = 0.5
    rebalance_s: float = 10.0
    #: Above `rebalance_s`: a request to join waits for everybody. Below it, no rebalance ends.
    request_s: float = 30.0
    #: How long a stop waits for the call in progress and for `stopping`.
    stop_s: float = 8.0


class App(faust.App):
    """Faust's app without its folder: state is in snapshots."""

    async def on_first_start(self) -> None:
        """Make no folder."""


def make_app(
    bootstrap: str,
    group: str,
    topics: Sequence[str],
    feed: Feed,
    security: Security,
    timeouts: Timeouts,
    instance: str | None,
) -> App:
    """An app whose consumer and agent both work for `feed`. Call it on the running loop."""
    app = App(
        group,
        broker=[f"kafka://{host.strip()}" for host in bootstrap.split(",")],
        broker_credentials=security.credentials(),
        broker_session_timeout=timeouts.session_s,
        broker_heartbeat_interval=timeouts.heartbeat_s,
        broker_rebalance_timeout=timeouts.rebalance_s,
        broker_request_timeout=timeouts.request_s,
        broker_max_poll_records=2000,  # a fetch is handled whole before the next one begins
        consumer_auto_offset_reset="earliest",  # seen by the consumer, and then judged
        consumer_group_instance_id=instance,
        producer_request_timeout=10.0,  # Faust starts a producer and never uses it
        stream_wait_empty=False,  # the default hangs at SIGTERM on what is not acknowledged
        topic_allow_declare=False,
        topic_disable_leader=True,  # no topic of Faust's own
        web_enabled=False,  # it would listen on 0.0.0.0:6066
        autodiscover=False,
    )
    transport = ExactTransport(app.conf.broker_consumer, app)
    transport.feed = feed
    app.transport = transport
    # acks=False: Faust keeps no account of offsets, which nobody would read.
    channel = app.topic(
        *topics, key_serializer="raw", value_serializer="raw", value_type=bytes, acks=False
    )

    async def agent(stream: Any) -> None:
        async for event in stream.events():
            message: ParcelMessage = event.message
            await feed.take(message.parcel)

    app.agent(channel, name=f"{group}.agent")(agent)
    return app
