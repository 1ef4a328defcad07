"""`freshet keys`: who may call the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer

from config.cli.options import AsJson, ConfigFile, DataDir, console, settings_for, show

if TYPE_CHECKING:
    from api.keys import Key, KeyFile

Scope = Literal["read", "write", "admin"]

app = typer.Typer(help="Create, list and revoke API keys.", no_args_is_help=True)


@app.command()
def create(
    scope: Annotated[
        list[str],
        typer.Option(metavar="read|write|admin", help="What it may do; again for more. admin: all"),
    ],
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Create a key. It is shown this once; a running server knows it within a second.

    From the first key on every call asks for one. To rotate, create a second key, change over,
    and revoke the first.

    Example: `freshet keys create --scope read --scope write`
    """
    file = _file(data_dir, config)
    scopes = _scopes(scope)
    key, text = file.create(scopes)
    show({"id": key.id, "key": text, "scopes": list(key.scopes)}, as_json)
    console.print(f"kept as a hash in {file.path}; it cannot be shown again")


@app.command("list")
def list_keys(data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List keys, oldest first. Example: `freshet keys list --json`"""
    for key in _file(data_dir, config).read():
        show(_described(key), as_json)


@app.command()
def revoke(
    id: Annotated[str, typer.Argument(help="As `freshet keys list` shows it.")],
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a key; a running server refuses it within a second.

    Example: `freshet keys revoke 1f2e3d4c`
    """
    from api.keys import UnknownKey

    try:
        key = _file(data_dir, config).revoke(id)
    except UnknownKey as error:
        raise typer.BadParameter(str(error)) from None
    show({**_described(key), "revoked": True}, as_json)


def _scopes(given: list[str]) -> tuple[Scope, ...]:
    try:
        return msgspec.convert(tuple(dict.fromkeys(given)), tuple[Scope, ...])
    except msgspec.ValidationError:
        message = "must be read, write or admin"
        raise typer.BadParameter(message, param_hint="--scope") from None


def _file(data_dir: str | None, config: Any) -> KeyFile:
    from config.front import key_file

    return key_file(settings_for(config, data_dir))


def _described(key: Key) -> dict[str, Any]:
    return {"id": key.id, "scopes": list(key.scopes), "created_at": key.created_at}
