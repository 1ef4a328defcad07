"""`freshet settings`: changes the learning configuration of what runs already."""

from __future__ import annotations

from typing import Annotated

import typer

from config import bootstrap
from config.cli.options import AsJson, ConfigFile, DataDir, console, settings_for, show
from config.errors import ConfigError
from config.settings import Settings
from stream.errors import StreamError

app = typer.Typer(help="Change what learning depends on.", no_args_is_help=True)

Brokers = Annotated[
    str | None, typer.Option("--kafka", help="Brokers as HOST:PORT,…; default kafka.bootstrap.")
]


@app.callback()
def _group() -> None:
    """Change what learning depends on."""


@app.command()
def apply(
    kafka: Brokers = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Append the learning configuration to the log, where it differs from the newest there.

    Workers and API processes that run take it over at that place of the log; those that start
    later refuse to, until their own settings say the same. With --data-dir it goes to the log
    of a folder that is not in use. `dims` cannot change, nor can anything of `[manifest]`.

    Example: `freshet settings apply --kafka 127.0.0.1:9092 --config freshet.toml`
    """
    if kafka is not None and data_dir is not None:
        raise ConfigError("--kafka and --data-dir exclude each other; name one log")
    settings = settings_for(config, data_dir, kafka__bootstrap=kafka)
    changed = _to_folder(settings) if data_dir is not None else _to_cluster(settings)
    show({"changed": changed}, as_json)
    if not changed:
        console.print("nothing differs; nothing was appended")


def _to_cluster(settings: Settings) -> list[str]:
    from config.agreement import apply_learning

    return apply_learning(settings)


def _to_folder(settings: Settings) -> list[str]:
    folder = bootstrap.folder_of(settings)
    if not folder.log.exists():
        raise StreamError(f"{folder.root} holds no log; is --data-dir right?")
    running = bootstrap.embedded(settings)
    try:
        return running.service.use(settings.learning)
    finally:
        running.close()
