"""A Freshet of its own for one benchmark: a subprocess over a temporary data folder."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx


@contextmanager
def server(
    filled: Path | None = None, core: int | None = None, **environment: str
) -> Iterator[str]:
    """Start `freshet run --demo none`; yield its URL once it is ready.

    It begins with a copy of the data folder `filled`, and is bound to processor `core`.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        if filled is not None:
            shutil.copytree(filled, Path(folder) / "data")
        command = [
            *(["taskset", "-c", str(core)] if core is not None else []),
            sys.executable, "-m", "config.cli.main", "run", "--demo", "none",
            "--port", str(port), "--data-dir", str(Path(folder) / "data"),
        ]  # fmt: skip
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stderr=subprocess.DEVNULL
        )
        url = f"http://127.0.0.1:{port}"
        try:
            _await_ready(url, process)
            yield url
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _await_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    while True:
        if process.poll() is not None:
            raise SystemExit(f"the server ended with {process.returncode}")
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
