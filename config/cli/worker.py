"""`freshet worker`: the stages of the cluster, each a member of its consumer group."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from config.cli.logs import set_up_logs
from config.cli.options import ConfigFile, console, settings_for
from config.errors import ConfigError

if TYPE_CHECKING:
    from config.cluster import Member


def register(app: typer.Typer) -> None:
    app.command()(worker)


def worker(
    only: Annotated[
        Literal["profiles", "model"] | None, typer.Option(help="Run one stage; default both.")
    ] = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="With --into: learn the log from its first record.")
    ] = False,
    into: Annotated[
        str | None, typer.Option(metavar="NAMESPACE", help="Fill this one beside the live one.")
    ] = None,
    kafka: Annotated[str | None, typer.Option(help="Brokers; default kafka.bootstrap.")] = None,
    config: ConfigFile = None,
) -> None:
    """Learn from Kafka: profiles from `events`, the model from `examples`.

    More workers share the partitions; further model workers stand by. A process that meets
    what it must not pass over ends with exit code 1: have it started again, with a pause.
    It does not start (exit code 2) where its settings are not those the namespace learns under.

    `--from-start --into NAMESPACE` fills a second namespace from the same events, beside the live
    one: with groups, snapshots, keys and examples of its own, and under `[manifest]` as it is in
    its settings now. It writes nothing of the live one, and goes on following. Once it is there,
    `freshet store switch NAMESPACE` has it served.

    Example: `freshet worker --kafka 127.0.0.1:9092`
    """
    if from_start != (into is not None):
        raise ConfigError(
            "--from-start and --into NAMESPACE go together: a rebuild is filled beside"
        )
    live = settings_for(config, kafka__bootstrap=kafka)
    settings = settings_for(config, kafka__bootstrap=kafka, core__namespace=into)
    set_up_logs(settings.logs)
    from config.agreement import begin_filling, require_agreement
    from config.cli.worker_metrics import serve
    from config.cluster import Parts, member
    from config.traces import set_up_traces

    names = begin_filling(settings, live.core.namespace) if into else require_agreement(settings)
    parts = Parts(settings, names)
    stages: tuple[Literal["profiles", "model"], ...] = (only,) if only else ("profiles", "model")
    told = f"{' and '.join(stages)} of {parts.topics.events}"
    console.print(
        f"learning: {told}" if names.owns_log else f"filling {into or names.namespace}: {told}"
    )
    members = [member(parts, stage) for stage in stages]
    serve(members, settings.worker.metrics_host, settings.worker.metrics_port)
    end_traces = set_up_traces(settings.traces, "freshet-worker")
    try:
        asyncio.run(_run(members))
    finally:
        end_traces()


async def _run(members: list[Member]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stop, members)
    await asyncio.gather(*(member.run() for member in members))


def _stop(members: list[Member]) -> None:
    for member in members:
        member.source.stop()
