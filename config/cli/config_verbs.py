"""`freshet config`: what is in force, and whether a file is right."""

from __future__ import annotations

import sys

import msgspec
import typer

from config.cli.options import AsJson, ConfigFile, console, settings_for

app = typer.Typer(help="Show and check settings.", no_args_is_help=True)


@app.command("show")
def show_settings(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Print every setting in force: defaults, file, environment and flags merged.

    Example: `freshet config show > freshet.toml`
    """
    settings = settings_for(config)
    if as_json:
        sys.stdout.write(msgspec.json.encode(settings).decode() + "\n")
        return
    sys.stdout.write(msgspec.toml.encode(_without_none(msgspec.to_builtins(settings))).decode())


@app.command()
def check(config: ConfigFile = None) -> None:
    """Check the settings; exit 2 naming the key and the nearest known one."""
    from config.alerts import rules_of

    rules_of(settings_for(config))
    console.print("the settings are right")


@app.command()
def alerts(config: ConfigFile = None) -> None:
    """Print the alerts as a Prometheus rule file.

    Example: `freshet config alerts > alerts.yml`
    """
    from api.alerts.promql import rule_file
    from config.alerts import rules_of

    sys.stdout.write(rule_file(rules_of(settings_for(config))))


def _without_none(tree: object) -> object:
    """TOML has no null: what is not set is not written."""
    if isinstance(tree, dict):
        return {name: _without_none(value) for name, value in tree.items() if value is not None}
    return tree
