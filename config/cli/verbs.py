"""The verbs of the command line, each imported when it is named: help waits for none of them."""

from __future__ import annotations

from collections.abc import Collection
from importlib import import_module
from typing import Final, NamedTuple

import typer


class Verb(NamedTuple):
    """Where a verb is defined, beside this module, and what `freshet --help` says of it."""

    module: str
    help: str


VERBS: Final = {
    "run": Verb("run", "Start Freshet in one process."),
    "ingest": Verb("ingest", "Send a data file: catalogue and people first, then the events."),
    "evaluate": Verb("evaluate", "Foretell every event of a file before learning it."),
    "recommend": Verb("recommend", "Write everybody's lists into one file, as for a nightly mail."),
    "replay": Verb("replay", "Play recorded feedback against a running system."),
    "simulate": Verb("simulate", "Let shoppers with hidden tastes act on what they are shown."),
    "shoppers": Verb("shoppers", "Send the events of a simulated crowd."),
    "worker": Verb("worker", "Learn from Kafka: profiles and the model."),
    "api": Verb("api", "Serve from the cluster."),
    "state": Verb("state", "Show positions, counts and the state hash."),
    "rebuild": Verb("state", "Learn the whole log again, opening no snapshot."),
    "datasets": Verb("datasets", "Fetch public data sets."),
    "snapshots": Verb("snapshots", "List and verify snapshots."),
    "dead-letters": Verb("dead_letters", "List, show, replay and drop dead letters."),
    "topics": Verb("topics", "Create and check the Kafka topics."),
    "store": Verb("store", "Check Redis, or have it written anew."),
    "keys": Verb("keys", "Create, list and revoke API keys."),
    "settings": Verb("settings_verbs", "Change what learning depends on."),
    "config": Verb("config_verbs", "Show and check settings."),
}


def command_line(named: Collection[str]) -> typer.Typer:
    """The `freshet` command; of its verbs only those that are `named` can be called."""
    line = typer.Typer(
        name="freshet",
        help="A recommender that learns from every event and shows it in the next answer.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        rich_markup_mode="markdown",
    )
    wanted = {verb.module for name, verb in VERBS.items() if name in named}
    for name, verb in VERBS.items():
        if verb.module not in wanted:
            line.command(name, help=verb.help)(_elsewhere)
            continue
        module = import_module(f"config.cli.{verb.module}")
        if hasattr(module, "app"):
            line.add_typer(module.app, name=name)
        elif name == verb.module:  # one registration may be of several verbs
            module.register(line)
    return line


def _elsewhere() -> None:
    """Stands for a verb in the help of all."""
