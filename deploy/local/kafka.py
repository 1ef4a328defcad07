"""A real Kafka broker in KRaft mode from its Maven artifacts; needs Java 17, and Maven once."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from deploy.local.processes import Server, ServerFailed, ServerMissing, free_port, program

_POM = Path(__file__).parent / "pom.xml"
_CLUSTER_ID = "ZnJlc2hldC1sb2NhbC1rYQ"

#: What makes a broker for tests quick: no wait for more members, quick sessions, few partitions.
QUICK: Mapping[str, str] = {
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
}


def version() -> str:
    """The version `pom.xml` names."""
    found = re.search(r"<kafka\.version>(.+?)</", _POM.read_text("utf-8"))
    if found is None:
        raise ServerMissing(f"{_POM} names no Kafka version")
    return found[1]


def jars() -> Path:
    """The folder of the broker's jars, fetched once. Raises ServerMissing."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "freshet"
    folder = cache / f"kafka-{version()}"
    if folder.exists():
        return folder
    maven = program("mvn", "maven")
    cache.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=folder.name, dir=cache))
    done = subprocess.run(
        [maven, "-B", "-q", "-f", str(_POM), "dependency:copy-dependencies",
         "-DincludeScope=runtime", f"-DoutputDirectory={aside}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        shutil.rmtree(aside)
        raise ServerMissing(f"Maven could not fetch Kafka:\n{done.stdout[-1000:]}")
    try:
        aside.rename(folder)
    except OSError:  # somebody else was quicker; theirs is as good
        shutil.rmtree(aside)
    return folder


class Broker(Server):
    """One broker. It may be killed and started again; its log folder and its port stay.

    `advertised` is what clients are told to connect to: the port of a proxy, say.
    `voters` are all brokers' `id@host:port` where there is more than one (see `brokers`).
    `scram` are users and their passwords for SCRAM-SHA-512, known from the first start on.
    """

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        *,
        properties: Mapping[str, str] | None = None,
        advertised: int | None = None,
        node: int = 1,
        controller_port: int | None = None,
        voters: str | None = None,
        heap: str = "512m",
        scram: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.bootstrap = f"127.0.0.1:{advertised or self.port}"
        controller = controller_port or free_port()
        self._config = folder / "server.properties"
        self._jars = jars()
        self._scram = dict(scram or {})
        self._properties = {
            "process.roles": "broker,controller",
            "node.id": str(node),
            "controller.quorum.voters": voters or f"{node}@127.0.0.1:{controller}",
            "listeners": f"CLIENT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"CLIENT://{self.bootstrap}",
            "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "CLIENT",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(folder / "log"),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            **(properties or {}),
        }
        super().__init__(self._java(heap, "kafka.Kafka", str(self._config)), folder / "kafka.out")

    def _java(self, heap: str, main: str, *arguments: str) -> list[str]:
        java = program("java", "openjdk-17-jre-headless")
        logging = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return [
            java, f"-Xmx{heap}", "-XX:+UseSerialGC", logging,
            "-cp", f"{self._jars}/*", main, *arguments,
        ]  # fmt: skip

    def start(self) -> None:
        """Format the log folder where it is new, then start; does not wait (`await_ready`)."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = [f"{name}={value}" for name, value in self._properties.items()]
        self._config.write_text("\n".join(lines) + "\n", "utf-8")
        if not (self.folder / "log").exists():
            self._format()
        super().start()

    def await_ready(self) -> None:
        self.await_port(self.port)

    def _format(self) -> None:
        command = self._java(
            "128m", "kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", str(self._config),
            *(
                part
                for name, password in self._scram.items()
                for part in ("--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]")
            ),
        )  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ServerFailed(f"the log folder could not be formatted:\n{done.stderr[-1000:]}")


def brokers(
    folder: Path, count: int = 3, properties: Mapping[str, str] | None = None
) -> list[Broker]:
    """Brokers of one cluster, each a controller too; topics of theirs survive the loss of one.

    Start all before waiting for any: the first is ready when a majority is there.
    """
    ports = [free_port() for _ in range(count)]
    voters = ",".join(f"{node}@127.0.0.1:{port}" for node, port in enumerate(ports, 1))
    copies, in_sync = str(count), str(count // 2 + 1)
    shared = {
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "default.replication.factor": copies,
        "min.insync.replicas": in_sync,
        **(properties or {}),
    }
    return [
        Broker(
            folder / f"kafka-{node}", properties=shared, node=node, controller_port=port,
            voters=voters, heap="320m",
        )
        for node, port in enumerate(ports, 1)
    ]  # fmt: skip
