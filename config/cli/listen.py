"""Takes an address and serves the HTTP tier on it until asked to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from config.settings import Settings
from stream.canary import CANARY
from stream.errors import StreamError
from stream.service import Service

if TYPE_CHECKING:
    from api.guard import Front

#: Open requests get this long at Ctrl-C; drain and snapshot have the rest of the ten seconds.
GRACE_S = 2

Lifespan = Callable[[Any], AbstractAsyncContextManager[None]]


def _beside(inner: Lifespan | None, service: Service) -> Lifespan:
    """The canary flies within `inner`, on the loop that answers; what was shown is kept."""

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        async with inner(app) if inner else nullcontext():
            flying = asyncio.create_task(app.state.canary.run())
            try:
                yield
            finally:
                flying.cancel()
                await asyncio.gather(flying, return_exceptions=True)
                with suppress(TimeoutError):
                    await asyncio.wait_for(service.impressions_kept(), GRACE_S)

    return lifespan


def bind(settings: Settings) -> socket.socket:
    """Take the address first: a busy port should not cost the wait for anything else."""
    family = socket.AF_INET6 if ":" in settings.api.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.api.host, settings.api.port))
    except OSError as error:
        listening.close()
        raise StreamError(
            f"{settings.api.host}:{settings.api.port} cannot be had ({error.strerror}); "
            "choose another with --port"
        ) from None
    return listening


def listen(
    service: Service,
    settings: Settings,
    demo: str,
    listening: socket.socket,
    front: Front,
    lifespan: Lifespan | None = None,
    canaries: Sequence[str] = (CANARY,),
) -> None:
    """Serve until SIGINT or SIGTERM; `canaries` click in turn, as the settings have it.

    Raises StreamError when it could not even start.
    """
    import uvicorn

    from api.app import create_app
    from api.canary import Flight
    from api.connections import IDLE_S, refusing
    from api.routes.recommendations import Serving
    from config.alerts import watch_of
    from config.traces import set_up_traces

    every_s = settings.canary.every_s
    application = create_app(
        service, version=version("freshet"), demo=demo, with_docs=settings.api.docs,
        front=front, watch=watch_of(settings), lifespan=_beside(lifespan, service),
        access=settings.logs.access, flight=Flight(canaries if every_s else (), every_s),
        serving=Serving(settings.api.impressions, settings.api.cache_entries),
    )  # fmt: skip
    server = uvicorn.Server(
        uvicorn.Config(
            application,
            loop="uvloop",
            http=refusing(application.state.refusal),
            ws="none",
            timeout_keep_alive=IDLE_S,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.api.proxies),
            forwarded_allow_ips=settings.api.proxies,
            timeout_graceful_shutdown=GRACE_S,
        )
    )
    # uvicorn raises the signal again once it has stopped; what comes after is ours to finish.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    end_traces = set_up_traces(settings.traces, "freshet-api")
    application.state.watcher.start()
    # What there is by now stays; the collector looking through it would hold up every request.
    gc.collect()
    gc.freeze()
    try:
        server.run(sockets=[listening])
    finally:
        application.state.watcher.stop()
        end_traces()
    if not server.started:
        raise StreamError("the HTTP tier could not start; the log says why")
