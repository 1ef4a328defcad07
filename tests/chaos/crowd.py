"""Many clients at once on plain sockets, each asking again as soon as it is answered."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Told:
    """What a crowd was answered. `degraded` counts lists that said so."""

    statuses: Counter[int] = field(default_factory=Counter)
    degraded: int = 0
    without_retry_after: int = 0
    seconds: list[float] = field(default_factory=list)

    def p99(self) -> float:
        return sorted(self.seconds)[int(len(self.seconds) * 0.99)]


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
    return int(head.split()[1]), head, await reader.readexactly(length)


async def _client(
    host: str, port: int, number: int, until: float, pause_s: float, told: Told
) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        asked = 0
        while time.monotonic() < until:
            asked += 1
            user = (number * 31 + asked * 7) % 100
            started = time.monotonic()
            writer.write(
                f"GET /v1/users/u{user}/recommendations HTTP/1.1\r\nhost: {host}\r\n\r\n".encode()
            )
            status, head, body = await _answer(reader)
            told.seconds.append(time.monotonic() - started)
            told.statuses[status] += 1
            if status == 200:
                told.degraded += json.loads(body)["degraded"]
            else:
                told.without_retry_after += b"retry-after: " not in head
                await asyncio.sleep(pause_s)
    finally:
        writer.close()


def crowd(url: str, clients: int, seconds: float, pause_s: float = 0.05) -> Told:
    """Ask for lists with so many connections for so long.

    A client that is refused comes back after `pause_s`, sooner than it was told to.
    """
    place, told = urlsplit(url), Told()

    async def all_of_them() -> None:
        until = time.monotonic() + seconds
        await asyncio.gather(
            *(
                _client(place.hostname or "", place.port or 0, n, until, pause_s, told)
                for n in range(clients)
            )
        )

    asyncio.run(all_of_them())
    return told
