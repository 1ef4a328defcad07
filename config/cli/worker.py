"""`freshet worker`: the stages of the cluster, each a member of its consumer group."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from config.cli.logs import set_up_logs
from config.cli.options import ConfigFile, console, settings_for

if TYPE_CHECKING:
    from config.cluster import Member


def register(app: typer.Typer) -> None:
    app.command()(worker)


def worker(
    only: Annotated[
        Literal["profiles", "model"] | None, typer.Option(help="Run one stage; default both.")
    ] = None,
    kafka: Annotated[str | None, typer.Option(help="Brokers; default kafka.bootstrap.")] = None,
    config: ConfigFile = None,
) -> None:
    """Learn from Kafka: profiles from `events`, the model from `examples`.

    More workers share the partitions; further model workers stand by. A process that meets
    what it must not pass over ends with exit code 1: have it started again, with a pause.
    It does not start (exit code 2) where its settings are not those the namespace learns under.

    Example: `freshet worker --kafka 127.0.0.1:9092`
    """
    settings = settings_for(config, kafka__bootstrap=kafka)
    set_up_logs(settings.logs)
    from config.agreement import require_agreement
    from config.cli.worker_metrics import serve
    from config.cluster import Parts, member

    require_agreement(settings)
    parts = Parts(settings)
    stages: tuple[Literal["profiles", "model"], ...] = (only,) if only else ("profiles", "model")
    console.print(f"learning: {' and '.join(stages)} of {parts.topics.events}")
    members = [member(parts, stage) for stage in stages]
    serve(members, settings.worker.metrics_host, settings.worker.metrics_port)
    asyncio.run(_run(members))


async def _run(members: list[Member]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stop, members)
    await asyncio.gather(*(member.run() for member in members))


def _stop(members: list[Member]) -> None:
    for member in members:
        member.source.stop()
