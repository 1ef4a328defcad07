"""`freshet run`: the embedded mode, one process with log, learner, API and page."""

from __future__ import annotations

import socket
import sys
import threading
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from config import bootstrap
from config.cli.demo import DemoName, play_live, prepare
from config.cli.listen import GRACE_S, bind, listen
from config.cli.logs import set_up_logs
from config.cli.options import ConfigFile, DataDir, console, progress_bar, settings_for
from config.settings import Settings

if TYPE_CHECKING:
    from api.guard import Front

# Longest a thread may hold the interpreter before another gets it: at Python's default of
# 5 ms a request would wait that long for the learner.
_SWITCH_S = 0.0005


def register(app: typer.Typer) -> None:
    app.command()(run)


def run(
    host: Annotated[str | None, typer.Option(help="Address; default 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; default 8000, 0: a free one.")] = None,
    data_dir: DataDir = None,
    demo: Annotated[
        Literal["films", "shop", "none"], typer.Option(help="What a fresh folder begins with.")
    ] = "films",
    config: ConfigFile = None,
) -> None:
    """Start Freshet in one process. Ctrl-C drains, saves and leaves; the next start goes on there.

    Examples:

    `freshet run --demo films` real ratings, then the rest of them live

    `freshet run --demo none --data-dir mine` empty, for your own data
    """
    settings = settings_for(config, data_dir, api__host=host, api__port=port)
    set_up_logs(settings.logs)
    sys.setswitchinterval(_SWITCH_S)
    from config.alerts import rules_of
    from config.front import front

    rules_of(settings)  # a mistake in them is told before the log is learned
    door = front(settings)
    listening = bind(settings)
    with listening:
        running = bootstrap.embedded(settings)
        try:
            _serve(running, settings, demo, listening, door)
        finally:
            console.print("draining and saving …")
            running.close()
    console.print("saved; the next start goes on from here")


def _serve(
    running: bootstrap.Running,
    settings: Settings,
    demo: DemoName,
    listening: socket.socket,
    door: Front,
) -> None:
    service = running.service
    with progress_bar("learning what the log holds", None) as advance:
        service.catch_up(advance)
    service.use(settings.learning)
    playing = prepare(running, demo)
    service.start()
    stop = threading.Event()
    live = threading.Thread(
        target=play_live, args=(playing, service, settings.demo, stop), name="demo", daemon=True
    )
    if playing is not None:
        live.start()
    listening.listen()  # whoever reads the address may call at once, and waits a moment
    host, port = listening.getsockname()[:2]
    console.print(f"Freshet is at [bold]http://{host}:{port}[/bold] (Ctrl-C ends it)")
    try:
        listen(service, settings, playing.name if playing else "none", listening, door)
    finally:
        stop.set()
        if playing is not None:
            live.join(GRACE_S)
