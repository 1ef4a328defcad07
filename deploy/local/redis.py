"""A real redis-server with its append-only file, as Debian packages it."""

from __future__ import annotations

from pathlib import Path

from deploy.local.processes import Server, free_port, program


class Redis(Server):
    """One server. It may be killed and started again; its folder and its port stay.

    `appendfsync everysec`: `kill -9` of the process loses nothing, power loss at most a second.
    """

    def __init__(self, folder: Path, port: int | None = None, *options: str) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        super().__init__(
            [
                program("redis-server", "redis-server"), "--port", str(self.port),
                "--bind", "127.0.0.1", "--dir", str(folder), "--save", "",
                "--appendonly", "yes", "--appendfsync", "everysec", *options,
            ],
            folder / "redis.out",
        )  # fmt: skip

    def start(self) -> None:
        """Start it; does not wait (`await_ready`)."""
        self.folder.mkdir(parents=True, exist_ok=True)
        super().start()

    def await_ready(self) -> None:
        self.await_port(self.port)
