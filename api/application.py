"""FastAPI without the layers that no call here needs: each request would pay for them."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send


class Application(FastAPI):
    """An app whose requests go through its own middleware and the router, and nothing else.

    Left out: FastAPI's telemetry (`stream.trace` has ours), its bound on bodies (`api.limits`),
    the stack for uploaded files, and Starlette's page for unexpected errors (`api.observe`).
    """

    def build_middleware_stack(self) -> ASGIApp:
        handlers = dict(self.exception_handlers)
        stack: ASGIApp = ExceptionMiddleware(self.router, handlers=handlers)
        for layer in reversed(self.user_middleware):
            stack = layer.cls(stack, *layer.args, **layer.kwargs)
        return stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.middleware_stack is None:
            self.middleware_stack = self.build_middleware_stack()
        scope["app"] = self
        await self.middleware_stack(scope, receive, send)
