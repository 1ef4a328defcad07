"""`make cluster`: the set of docker-compose.kafka.yml as local processes, without Docker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from deploy.local.kafka import Broker
from deploy.local.processes import Server, ServerFailed, ServerMissing, port_is_free
from deploy.local.redis import Redis
from deploy.local.supervisor import Supervisor

_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Plan:
    """What is started, and where."""

    folder: Path
    kafka_port: int
    redis_port: int
    port: int
    workers: int
    apis: int
    rate: float

    @property
    def bootstrap(self) -> str:
        return f"{_HOST}:{self.kafka_port}"

    @property
    def api_ports(self) -> range:
        return range(self.port, self.port + self.apis)

    def ports(self) -> Iterator[int]:
        yield from (self.kafka_port, self.kafka_port + 1, self.redis_port)
        yield from self.api_ports

    def environ(self) -> dict[str, str]:
        """What every process of ours is told; the rest is as in the user's own settings."""
        return {
            **os.environ,
            "FRESHET_KAFKA__BOOTSTRAP": self.bootstrap,
            "FRESHET_REDIS__URL": f"redis://{_HOST}:{self.redis_port}/0",
            "FRESHET_WORKER__SNAPSHOTS": str(self.folder / "snapshots"),
        }

    def freshet(self, name: str, *arguments: str, **environ: str) -> Server:
        """A process of ours."""
        command = [sys.executable, "-m", "config.cli.main", *arguments]
        return Server(command, self.folder / f"{name}.out", {**self.environ(), **environ})

    def ours(self) -> Iterator[tuple[str, Server]]:
        """Workers, API processes and the demo's shoppers, in the order of their start."""
        for number in range(1, self.workers + 1):
            name = f"worker-{number}"
            yield name, self.freshet(name, "worker", FRESHET_WORKER__INSTANCE_ID=name)
        for number, port in enumerate(self.api_ports, 1):
            name = f"api-{number}"
            yield name, self.freshet(name, "api", "--host", _HOST, "--port", str(port))
        if self.rate:
            arguments = ["shoppers", "--kafka", self.bootstrap, "--rate", f"{self.rate:g}"]
            if self.apis:
                arguments += ["--url", f"http://{_HOST}:{self.port}"]
            yield "shoppers", self.freshet("shoppers", *arguments)


def main(
    folder: Annotated[Path, typer.Option(help="Logs, rows, snapshots, output.")] = Path(
        "freshet-cluster"
    ),
    port: Annotated[
        int, typer.Option(help="The first API process's; the next has the next.")
    ] = 8000,
    kafka_port: Annotated[
        int, typer.Option(help="Kafka's; the next one is its controller's.")
    ] = 19092,
    redis_port: Annotated[int, typer.Option()] = 16379,
    workers: Annotated[int, typer.Option(min=0)] = 2,
    apis: Annotated[int, typer.Option(min=0)] = 2,
    rate: Annotated[float, typer.Option(min=0, help="Demo events a second; 0: no demo.")] = 5.0,
) -> None:
    """Start Kafka, Redis, workers, API processes and the demo; Ctrl-C stops them all."""
    plan = Plan(folder.resolve(), kafka_port, redis_port, port, workers, apis, rate)
    supervisor = Supervisor(say)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: supervisor.stopping.set())
    try:
        if _start(plan, supervisor):
            supervisor.run()
    except (ServerMissing, ServerFailed) as error:
        say(str(error))
        raise typer.Exit(1) from None
    finally:
        supervisor.stop()


def _start(plan: Plan, supervisor: Supervisor) -> bool:
    """Servers first, then the topics, then ours; False when it was stopped meanwhile."""
    busy = [port for port in plan.ports() if not port_is_free(port)]
    if busy:
        raise ServerFailed(
            f"something else listens on {', '.join(map(str, busy))}; "
            "see ARGS=--help for other ports"
        )
    plan.folder.mkdir(parents=True, exist_ok=True)
    say("starting Kafka and Redis (the first time Kafka is fetched, about 50 MB)")
    redis = Redis(plan.folder / "redis", plan.redis_port)
    kafka = Broker(plan.folder / "kafka", plan.kafka_port, controller_port=plan.kafka_port + 1)
    supervisor.start("kafka", kafka)
    supervisor.start("redis", redis)
    kafka.await_ready()
    redis.await_ready()
    _create_topics(plan)
    for name, server in plan.ours():
        if supervisor.stopping.is_set():
            return False
        supervisor.start(name, server)
    say(f"everything is started; its output is in {plan.folder}")
    for port in plan.api_ports:
        say(f"Freshet will be at http://{_HOST}:{port} (Ctrl-C stops all)")
    return True


def _create_topics(plan: Plan) -> None:
    command = [sys.executable, "-m", "config.cli.main", "topics", "create"]
    done = subprocess.run(command, env=plan.environ(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServerFailed(done.stderr.strip())


def say(line: str) -> None:
    sys.stderr.write(f"cluster: {line}\n")


if __name__ == "__main__":
    typer.run(main)
