"""The `freshet` command: parses, calls, and turns known errors into a line and an exit code."""

from __future__ import annotations

import sys

import typer

from api.errors import ApiError
from config.cli import (
    api,
    config_verbs,
    dead_letters,
    evaluate,
    ingest,
    keys,
    recommend,
    replay,
    run,
    settings_verbs,
    shoppers,
    simulate,
    snapshots,
    state,
    store,
    topics,
    worker,
)
from config.cli import datasets as dataset_verbs
from config.errors import ConfigError
from models.errors import ModelError
from producers.errors import OptionError, ProducerError
from stream.errors import FolderInUse, ManifestMismatch, SettingsDiffer, StreamError
from stream.kafka.errors import SecurityMistake, TopicsDiffer

app = typer.Typer(
    name="freshet",
    help="A recommender that learns from every event and shows it in the next answer.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="markdown",
)
run.register(app)
ingest.register(app)
evaluate.register(app)
recommend.register(app)
replay.register(app)
simulate.register(app)
shoppers.register(app)
worker.register(app)
api.register(app)
state.register(app)
app.add_typer(dataset_verbs.app, name="datasets")
app.add_typer(snapshots.app, name="snapshots")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(topics.app, name="topics")
app.add_typer(store.app, name="store")
app.add_typer(keys.app, name="keys")
app.add_typer(settings_verbs.app, name="settings")
app.add_typer(config_verbs.app, name="config")

#: Mistakes of usage or configuration; everything else that is known is a failure.
_USAGE = (
    ConfigError, FolderInUse, ManifestMismatch, OptionError, SecurityMistake, SettingsDiffer,
    TopicsDiffer,
)  # fmt: skip


def main() -> None:
    """Exit 0 done (also after Ctrl-C), 1 failed, 2 wrong usage or setting."""
    try:
        app()
    except _USAGE as error:
        _end(str(error), 2)
    except (ApiError, ProducerError, StreamError, ModelError, OSError) as error:
        _end(str(error), 1)
    except KeyboardInterrupt:
        _end("stopped", 0)


def _end(message: str, code: int) -> None:
    sys.stderr.write(f"freshet: {message}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
