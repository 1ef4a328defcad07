"""`freshet topics`: creates and checks the Kafka topics of a namespace."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from config.cli.options import ConfigFile, console, settings_for
from config.settings import Settings
from stream.kafka.layout import Layout
from stream.kafka.names import Topics
from stream.kafka.security import Link

app = typer.Typer(help="Create and check the Kafka topics.", no_args_is_help=True)

Bootstrap = Annotated[
    str | None, typer.Option("--kafka", help="Brokers as HOST:PORT,…; default kafka.bootstrap.")
]
Partitions = Annotated[
    int | None, typer.Option(help="Partitions of `events`; default kafka.partitions, 12.")
]


@app.command()
def create(
    kafka: Bootstrap = None,
    partitions: Partitions = None,
    replication: Annotated[
        int | None, typer.Option(help="Copies of every record; default kafka.replication, 1.")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Create the topics and write the manifest; a second time changes nothing.

    - `events` (12 partitions, by user): feedback. Kept for `kafka.events_days`, by default for
    ever: trimmed, it can no longer be learned from its start again.

    - `control` (1): catalogue and settings. Never trimmed.

    - `examples` (1): what the model learns, in its order. Kept for `kafka.examples_days`, 30; it
    must outlast the longest time a process is away.

    - `events.dead` (1): what could not be learned. Kept for `kafka.dead_days`, 90.

    `events` and `control` carry the broker's time (`message.timestamp.type=LogAppendTime`), which
    learning reads; none is compacted, because learning counts on every record. With 3 brokers use
    `--replication 3`: one may be lost, and writes go on (`min.insync.replicas` is one less than
    the copies). The number of partitions is fixed from here on.

    Example: `freshet topics create --kafka 127.0.0.1:9092 --partitions 12 --replication 1`
    """
    from stream.kafka import topics

    settings = _settings(config, kafka, partitions, replication)
    made = topics.create(
        _link(settings), _names(settings), _layout(settings), settings.manifest, settings.learning
    )
    told = f"created {', '.join(made)}" if made else "they exist already"
    console.print(f"the topics are right: {told}")


@app.command()
def check(
    kafka: Bootstrap = None, partitions: Partitions = None, config: ConfigFile = None
) -> None:
    """Check the topics; exit 2 naming each fault and how to mend it, 1 when no broker answers.

    Refused are: a missing topic, another number of partitions, compaction, another
    `message.timestamp.type` than LogAppendTime, trimming of what is kept for ever, and a manifest
    that is missing or differs from the settings.

    Example: `freshet topics check --kafka 127.0.0.1:9092`
    """
    from stream.kafka import topics

    settings = _settings(config, kafka, partitions)
    topics.check(_link(settings), _names(settings), _layout(settings), settings.manifest)
    console.print("the topics are right")


def _settings(
    config: ConfigFile, kafka: str | None, partitions: int | None, replication: int | None = None
) -> Settings:
    # What goes wrong is said once, by us; the client would log each attempt.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    return settings_for(
        config, kafka__bootstrap=kafka, kafka__partitions=partitions, kafka__replication=replication
    )


def _link(settings: Settings) -> Link:
    return Link(settings.kafka.bootstrap, settings.kafka.security)


def _names(settings: Settings) -> Topics:
    return Topics(settings.core.namespace)


def _layout(settings: Settings) -> Layout:
    k = settings.kafka
    return Layout(k.partitions, k.replication, k.events_days, k.examples_days, k.dead_days)
