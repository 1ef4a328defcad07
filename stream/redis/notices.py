"""What processes tell each other: which namespace is served, and the model's hash at a position.

Both are small and may be lost with Redis: API processes put the first back, the model's owner
publishes another hash before long.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from msgspec import Struct

from stream.redis import keys
from stream.redis.link import Link


class Hash(Struct):
    """The model's `state_hash` as of the examples below `position`, and by which numbers."""

    position: int
    state_hash: str
    learning_version: int


@dataclass(frozen=True)
class Notice:
    """What was found; `served` is None where nobody has switched since Redis was emptied."""

    served: str | None
    model: Hash | None


class Notices:
    """The notices of one log and one namespace. Every method raises StoreUnavailable."""

    def __init__(self, link: Link, log: str) -> None:
        self._link = link
        self._log = log

    async def read(self, namespace: str) -> Notice:
        """The pointer, and the newest hash of a namespace's model, in one round trip."""
        served, raw = await self._link.gather(
            [keys.served_key(self._log), keys.hash_key(namespace)]
        )
        return Notice(served.decode() if served else None, _hash(raw))

    async def serve(self, namespace: str, only_if_lost: bool = False) -> None:
        """Have this namespace served; `only_if_lost` leaves a pointer that is there."""
        with self._link.mapped():
            await self._link.client.set(keys.served_key(self._log), namespace, nx=only_if_lost)

    async def publish(self, namespace: str, model: Hash) -> None:
        """Tell the model's hash; the owner of the examples does."""
        with self._link.mapped():
            await self._link.client.set(keys.hash_key(namespace), msgspec.json.encode(model))

    async def close(self) -> None:
        await self._link.close()


def _hash(raw: bytes | None) -> Hash | None:
    try:
        return msgspec.json.decode(raw, type=Hash) if raw else None
    except msgspec.DecodeError:
        return None
