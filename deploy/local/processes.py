"""A server as a child process: started, waited for, stopped, killed; its output in a file."""

from __future__ import annotations

import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

# A server that says nothing for so long will not come up: Kafka takes 3 to 8 s on two cores,
# a minute on busy ones.
_READY_S = 120.0
# After SIGTERM; then it is killed.
_STOP_S = 20.0
# Below those that Linux gives to outgoing connections (32,768 and up), above well-known ones.
_FIRST_PORT, _PORTS = 16_384, 16_384


class ServerMissing(Exception):
    """A program or its files are not on this machine; the message says how to get them."""


class ServerFailed(Exception):
    """A server ended while it was waited for; the message holds the last lines it wrote."""


def free_port() -> int:
    """A port nobody listens on now, and that nobody is given who connects somewhere meanwhile."""
    while True:
        port = _FIRST_PORT + secrets.randbelow(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def port_is_free(port: int) -> bool:
    """True when nobody listens on the port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def program(name: str, package: str) -> str:
    """The path of a program. Raises ServerMissing naming the Debian package."""
    path = shutil.which(name)
    if path is None:
        raise ServerMissing(f"{name} is not installed; on Debian: apt-get install {package}")
    return path


def _guarded(command: Sequence[str]) -> list[str]:
    """The command, killed by the kernel when this process ends, however it ends."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", *command] if setpriv else list(command)


class Server:
    """One child process. Its output goes to `log`, which is appended to by every start."""

    def __init__(
        self, command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None
    ) -> None:
        self.command = list(command)
        self.log = log
        self._environ = None if environ is None else dict(environ)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ServerFailed(f"{self.command[0]} was not started")
        return self._process.pid

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def exit_code(self) -> int | None:
        """None while it runs, or was never started."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start it in a session of its own, so that Ctrl-C reaches only who supervises it."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                _guarded(self.command), stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, env=self._environ, start_new_session=True,
            )  # fmt: skip

    def await_port(self, port: int, timeout_s: float = _READY_S) -> None:
        """Wait until the port accepts. Raises ServerFailed when the process ends before."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if not self.running():
                raise ServerFailed(f"{self.command[0]} ended:\n{self.tail()}")
            with socket.socket() as probe:
                probe.settimeout(0.5)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        raise ServerFailed(f"{self.command[0]} is not ready after {timeout_s} s:\n{self.tail()}")

    def terminate(self) -> None:
        if self.running():
            self.send(signal.SIGTERM)

    def stop(self, timeout_s: float = _STOP_S) -> None:
        """SIGTERM, and SIGKILL when that is not obeyed in time."""
        self.terminate()
        if self._process is not None:
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self.running():
            self.send(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def tail(self, lines: int = 20) -> str:
        """The last lines it wrote."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])
