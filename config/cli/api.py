"""`freshet api`: an API process of the cluster."""

from __future__ import annotations

from typing import Annotated

import typer

from config.cli.listen import bind, listen
from config.cli.logs import set_up_logs
from config.cli.options import ConfigFile, console, settings_for
from stream.canary import canaries


def register(app: typer.Typer) -> None:
    app.command()(api)


def api(
    host: Annotated[str | None, typer.Option(help="Address; default 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; default 8000, 0: a free one.")] = None,
    kafka: Annotated[str | None, typer.Option(help="Brokers; default kafka.bootstrap.")] = None,
    config: ConfigFile = None,
) -> None:
    """Serve from the cluster: appends to Kafka, rows from Redis, a model that follows its log.

    Start as many as you need; every one of them answers for every user.

    Example: `freshet api --port 8001`
    """
    settings = settings_for(config, api__host=host, api__port=port, kafka__bootstrap=kafka)
    set_up_logs(settings.logs)
    from config.agreement import require_agreement
    from config.alerts import rules_of
    from config.cluster import Parts, api_process

    rules_of(settings)  # a mistake in them is told before anything is waited for
    names = require_agreement(settings)
    from config.front import front

    door = front(settings)
    with bind(settings) as listening:
        parts = Parts(settings, names)
        process = api_process(parts)
        address = ":".join(str(part) for part in listening.getsockname()[:2])
        listening.listen()  # whoever reads the address may call at once, and waits a moment
        console.print(f"Freshet's API is at [bold]http://{address}[/bold] (Ctrl-C ends it)")
        ids = canaries(parts.manifest.partitions, parts.partition_of())
        listen(process.service, settings, "none", listening, door, process.lifespan, ids)
