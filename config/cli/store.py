"""`freshet store`: what Redis holds for serving, and having it written anew."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from config.cli.options import AsJson, ConfigFile, console, settings_for, show
from config.settings import Settings

if TYPE_CHECKING:
    from stream.redis.check import PartitionReport, StoreCheck

T = TypeVar("T")

app = typer.Typer(help="Check Redis, or have it written anew.", no_args_is_help=True)

Url = Annotated[str | None, typer.Option("--redis", help="URL of Redis; default redis.url.")]
Namespace = Annotated[str | None, typer.Option(help="Default core.namespace.")]


@app.command()
def check(
    redis: Url = None,
    namespace: Namespace = None,
    samples: Annotated[int, typer.Option(min=0, help="Rows read of each partition.")] = 100,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Compare marks, counts and samples of every partition; exit 1 if something is wrong.

    Example: `freshet store check --redis redis://127.0.0.1:6379/0`
    """
    settings = settings_for(config, redis__url=redis, core__namespace=namespace)
    reports = _with_store(settings, lambda s: s.look(settings.kafka.partitions, samples))
    for report in reports:
        show(_shown(report), as_json)
    if any(report.problems for report in reports):
        raise typer.Exit(1)


@app.command()
def rebuild(
    redis: Url = None,
    namespace: Namespace = None,
    partition: Annotated[
        list[int] | None, typer.Option(min=0, help="Only this one; may be repeated.")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Have the workers write all rows anew, from their own state; nothing is stopped.

    It takes away the marks of the partitions. Their owners notice, as they notice an emptied
    Redis; until the rows are back, answers come from a lower rung. Without a running worker the
    rows come when the next one starts.

    Example: `freshet store rebuild --partition 3`
    """
    settings = settings_for(config, redis__url=redis, core__namespace=namespace)
    wanted = partition or list(range(settings.kafka.partitions))
    taken = _with_store(settings, lambda s: s.rebuild(wanted))
    console.print(f"{taken} of {len(wanted)} partitions will be written anew")


@app.command()
def switch(
    namespace: Annotated[
        str | None, typer.Argument(help="The one to serve; without it, say which one is.")
    ] = None,
    max_behind: Annotated[
        int, typer.Option(min=0, help="Records of `events` it may be behind.")
    ] = 1_000,
    redis: Url = None,
    kafka: Annotated[str | None, typer.Option(help="Brokers; default kafka.bootstrap.")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Have running API processes serve another namespace of the same log, and back again.

    They notice within a second, load its model beside the one they serve, and change over once
    it has caught up; no request fails meanwhile. Refused is a namespace that does not exist, or
    whose rows or model are far behind. API processes started on a filled namespace stay on it.

    Example: `freshet store switch trial`
    """
    settings = settings_for(config, redis__url=redis, kafka__bootstrap=kafka)
    from config import switching

    if namespace is not None:
        switching.switch(settings, namespace, max_behind)
        console.print(f"API processes change over to {namespace}")
    show({"served": switching.served(settings)}, as_json)


def _with_store(settings: Settings, ask: Callable[[StoreCheck], Awaitable[T]]) -> T:
    from config.redis_link import redis_link
    from stream.kafka.envelopes import partition_of
    from stream.redis.check import StoreCheck

    async def within() -> T:
        link = redis_link(settings.redis, settings.redis.worker_timeout_s)
        partitions = settings.kafka.partitions
        try:
            store = StoreCheck(
                link, settings.core.namespace, lambda user_id: partition_of(user_id, partitions)
            )
            return await ask(store)
        finally:
            await link.close()

    return asyncio.run(within())


def _shown(report: PartitionReport) -> dict[str, Any]:
    return {
        "partition": report.partition, "mark": report.mark, "users": report.users,
        "embeddings": report.embeddings, "embedding_mark": report.embedding_mark,
        "refilling": report.refilling, "sampled": report.sampled, "problems": report.problems,
    }  # fmt: skip
