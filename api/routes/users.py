"""What is known of a user, and what is foretold for one."""

from __future__ import annotations

import asyncio
import math
from typing import Any, Final

from starlette.responses import Response

from api import schemas
from api.bodies import users_of
from api.call import Call, Incoming
from api.errors import Refused
from api.responses import answered
from api.routes.recommendations import FRESHNESS, reached
from models.answers import Asked
from stream.errors import StreamError
from stream.positions import to_token
from stream.profiles import UserRow
from stream.service import Service, control_body

# As long as a list waits for a row; what was told of a user only helps a rating.
_ROW_S: Final = 0.15

EXAMPLE: Final = {"users": [{"user_id": "ada", "attributes": {"country": "NZ"}}]}


class Users:
    """The handlers of users."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def put(self, incoming: Incoming) -> Response:
        users = users_of(await incoming.body())
        receipt = await self._service.append_control([control_body("user", u) for u in users])
        return answered({"accepted": len(users), "position": to_token(receipt.positions)}, 202)

    async def get(self, incoming: Incoming) -> Response:
        user_id = incoming.ids["user_id"]
        await reached(self._service, user_id, incoming.query)
        row, position = await self._read(user_id)
        answer = {
            "user_id": user_id,
            "counts": row.counts,
            "history": self._history(row),
            "position": position,
        }
        return answered(answer)

    async def embedding(self, incoming: Incoming) -> Response:
        user_id = incoming.ids["user_id"]
        await reached(self._service, user_id, incoming.query)
        row, position = await self._read(user_id)
        vector = self._service.model.embedding(Asked(row.past, row.types)).tolist()
        answer = {
            "user_id": user_id, "dim": len(vector), "embedding": vector, "position": position
        }  # fmt: skip
        return answered(answer)

    async def rating(self, incoming: Incoming) -> Response:
        user_id, item_id = incoming.ids["user_id"], incoming.ids["item_id"]
        told = await self._attributes_of(user_id)
        foretold = self._service.model.rating(user_id, item_id, told)
        return answered({"user_id": user_id, "item_id": item_id, "prediction": foretold})

    async def _attributes_of(self, user_id: str) -> list[int]:
        """Keys of what was told of the user; none where rows are away, for they only help."""
        try:
            row = (await asyncio.wait_for(self._service.read(user_id), _ROW_S)).row
        except (StreamError, OSError, TimeoutError):
            return []
        return row.past.attribute_key.tolist() if row is not None else []

    async def _read(self, user_id: str) -> tuple[UserRow, str]:
        reading = await self._service.read(user_id)
        if reading.row is None or not reading.row.counts:
            raise Refused(404, "no event of such a user is known", "user_id")
        return reading.row, to_token(reading.positions)

    def _history(self, row: UserRow) -> list[dict[str, Any]]:
        """Newest first; an item the model is about to meet is left out until it has."""
        reader, past = self._service.model.reader, row.past
        history = []
        for key, kind, value, time in zip(
            past.history_key.tolist(), past.history_type.tolist(),
            past.history_value.tolist(), past.history_time.tolist(), strict=True,
        ):  # fmt: skip
            item = reader.row_of(key)
            if item >= 0:
                history.append(
                    {
                        "item_id": reader.id_of(item),
                        "type": row.types[kind],
                        "value": None if math.isnan(value) else value,
                        "timestamp": time,
                    }
                )
        return history


def calls(service: Service) -> list[Call]:
    users = Users(service)
    return [
        Call(
            "PUT", "/v1/users", users.put, "Put attributes of users",
            tag="users", takes=[schemas.Users], example=EXAMPLE, returns=schemas.Accepted,
            status=202, refuses=(400, 408, 413, 415, 503), access="write",
        ),
        Call(
            "GET", "/v1/users/{user_id}", users.get, "What is known of a user",
            tag="users", query=FRESHNESS, returns=schemas.User, refuses=(404,),
        ),
        Call(
            "GET", "/v1/users/{user_id}/embedding", users.embedding, "A user as a vector",
            tag="users", query=FRESHNESS, returns=schemas.Embedding, refuses=(404,),
        ),
        Call(
            "GET", "/v1/users/{user_id}/items/{item_id}/rating", users.rating,
            "The rating this user would give this item, 1 to 5",
            tag="users", returns=schemas.Rating,
        ),
    ]  # fmt: skip
