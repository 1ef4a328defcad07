"""`freshet settings`: changes the learning configuration of what runs already."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from config import bootstrap
from config.cli.options import AsJson, ConfigFile, DataDir, console, settings_for, show
from config.errors import ConfigError
from config.settings import Settings
from stream.errors import StreamError

app = typer.Typer(help="Change what learning depends on.", no_args_is_help=True)

_TIMEOUT_S = 30.0

Brokers = Annotated[
    str | None, typer.Option("--kafka", help="Brokers as HOST:PORT,…; default kafka.bootstrap.")
]


@app.callback()
def _group() -> None:
    """Change what learning depends on."""


Url = Annotated[str | None, typer.Option("--url", help="A running server, either mode.")]
ApiKey = Annotated[
    str | None,
    typer.Option(envvar="FRESHET_API_KEY", help="One with the scope admin, where it asks for one."),
]


@app.command()
def apply(
    kafka: Brokers = None,
    url: Url = None,
    api_key: ApiKey = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Append the learning configuration to the log, where it differs from the newest there.

    Workers and API processes that run take it over at that place of the log; those that start
    later refuse to, until their own settings say the same. With --url a running server does it,
    without a restart; with --data-dir it goes to the log of a folder that is not in use. `dims`
    and `n_factors` cannot change, nor can anything of `[manifest]`.

    Examples:

    `freshet settings apply --url http://127.0.0.1:8000 --config freshet.toml`

    `freshet settings apply --kafka 127.0.0.1:9092 --config freshet.toml`
    """
    if sum(named is not None for named in (kafka, url, data_dir)) > 1:
        raise ConfigError("--kafka, --url and --data-dir exclude each other; name one log")
    settings = settings_for(config, data_dir, kafka__bootstrap=kafka)
    if url is not None:
        changed = _to_server(settings, url, api_key)
    else:
        changed = _to_folder(settings) if data_dir is not None else _to_cluster(settings)
    show({"changed": changed}, as_json)
    if not changed:
        console.print("nothing differs; nothing was appended")


def _to_server(settings: Settings, url: str, api_key: str | None) -> list[str]:
    import httpx

    body = {"learning": msgspec.to_builtins(settings.learning)}
    try:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        target = f"{url.rstrip('/')}/v1/settings"
        answer = httpx.post(target, json=body, headers=headers, timeout=_TIMEOUT_S)
        told = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise StreamError(f"no Freshet answers at --url ({type(error).__name__})") from None
    if answer.status_code == httpx.codes.ACCEPTED:
        changed: list[str] = told["changed"]
        return changed
    said = told.get("error", {}).get("message", f"status {answer.status_code}")
    if answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
        raise ConfigError(said)
    raise StreamError(f"the server refused the settings: {said}")


def _to_cluster(settings: Settings) -> list[str]:
    from config.agreement import apply_learning

    return apply_learning(settings)


def _to_folder(settings: Settings) -> list[str]:
    bootstrap.begun_folder(settings)
    running = bootstrap.embedded(settings)
    try:
        return running.service.use(settings.learning)
    finally:
        running.close()
