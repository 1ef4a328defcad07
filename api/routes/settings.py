"""The learning configuration: what is in force, and going on under another."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from starlette.responses import Response

from api import schemas
from api.call import Call, Incoming
from api.errors import Refused, refusal_of, unavailable
from api.responses import answered
from models.errors import ExtraMissing, SettingUnsuitable
from models.settings import LearningSettings
from models.suitable import require_installed, require_suitable
from stream.errors import InvalidEvent, LogUnavailable, ManifestMismatch
from stream.events import decode
from stream.positions import to_token
from stream.service import Service


class _Wanted(msgspec.Struct, forbid_unknown_fields=True):
    learning: LearningSettings


_wanted = msgspec.json.Decoder(_Wanted)
_EXAMPLE: Final = {"learning": {"events": {"view": {"weight": 0.5, "hides": False}}}}


class LearningConfiguration:
    """The handlers of settings."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def get(self, incoming: Incoming) -> Response:
        return answered({"learning": msgspec.to_builtins(self._service.model.settings)})

    async def put(self, incoming: Incoming) -> Response:
        try:
            wanted: _Wanted = decode(_wanted, await incoming.body())
            require_suitable(wanted.learning)
            await asyncio.to_thread(require_installed, wanted.learning)
            applied = await self._service.apply_settings(wanted.learning)
        except InvalidEvent as error:
            raise refusal_of(error) from None
        except ExtraMissing as error:
            raise Refused(422, str(error), error.key) from None
        except SettingUnsuitable as error:
            # Below the section stand names of the sender's own.
            field = ".".join(error.key.split(".")[:2])
            raise Refused(422, f"{field}: {error.cause}", field) from None
        except ManifestMismatch as error:
            raise Refused(422, str(error), error.keys[0]) from None
        except LogUnavailable as error:
            raise unavailable(error) from None
        token = to_token(applied.positions)
        return answered({"changed": applied.changed, "position": token}, 202)


def calls(service: Service) -> list[Call]:
    configuration = LearningConfiguration(service)
    return [
        Call(
            "GET", "/v1/settings", configuration.get, "The learning configuration in force",
            tag="settings", returns=schemas.Settings,
        ),
        Call(
            "POST", "/v1/settings", configuration.put,
            "Go on learning under another configuration; what is left out takes its default",
            tag="settings", takes=[schemas.Settings], example=_EXAMPLE,
            returns=schemas.SettingsApplied, status=202,
            refuses=(400, 408, 413, 415, 503), access="admin",
        ),
    ]  # fmt: skip
