"""Everything over TLS: a broker that asks for SASL, a Redis that asks for a password."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from msgspec import structs

import config.settings
from config.redis_link import redis_link
from deploy.local.kafka import QUICK, Broker
from deploy.local.processes import free_port
from deploy.local.redis import Redis
from stream.errors import StoreUnavailable
from tests.cluster.test_cluster import events, eventually, running, send

PASSWORD = "hush hush"


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A folder with an authority of one's own, and a certificate for 127.0.0.1 it has signed."""
    folder = tmp_path / "certificates"
    folder.mkdir()

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
            "-days", "2", "-subj", "/CN=an authority")  # fmt: skip
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr",
            "-subj", "/CN=a server")  # fmt: skip
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", "server.pem", "-days", "2", "-extfile", "names")  # fmt: skip
    (folder / "key-password").write_text("a key's own")
    openssl("req", "-newkey", "rsa:2048", "-keyout", "client.key", "-passout",
            "file:key-password", "-out", "client.csr", "-subj", "/CN=a client")  # fmt: skip
    openssl("x509", "-req", "-in", "client.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", "client.pem", "-days", "2")  # fmt: skip
    both = (folder / "server.key").read_text() + (folder / "server.pem").read_text()
    (folder / "both.pem").write_text(both)
    (folder / "password").write_text(f"{PASSWORD}\n")
    return folder


def secured(certificates: Path) -> dict[str, str]:
    """Broker properties: clients come with TLS and a password, the controller does not."""
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    return {
        **QUICK,
        "listener.security.protocol.map": "CLIENT:SASL_SSL,CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.client.plain.sasl.jaas.config": (
            f'{login} username="freshet" password="{PASSWORD}" user_freshet="{PASSWORD}";'
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(certificates / "both.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificates / "ca.pem"),
    }


def secured_with_scram(certificates: Path) -> dict[str, str]:
    """Broker properties: a password by SCRAM, and a certificate of the client's own."""
    login = "org.apache.kafka.common.security.scram.ScramLoginModule required"
    plain = "listener.name.client.plain.sasl.jaas.config"
    return {
        **{name: value for name, value in secured(certificates).items() if name != plain},
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
        "listener.name.client.scram-sha-512.sasl.jaas.config": (
            f'{login} username="freshet" password="{PASSWORD}";'
        ),
        "listener.name.client.ssl.client.auth": "required",
    }


def redis_over_tls(new_redis: Callable[..., Redis], certificates: Path) -> str:
    """A Redis that takes nothing but TLS, and asks for the password; its URL."""
    port = free_port()
    new_redis(
        "--tls-port", str(port), "--port", "0", "--requirepass", PASSWORD,
        "--tls-auth-clients", "no", "--tls-ca-cert-file", str(certificates / "ca.pem"),
        "--tls-cert-file", str(certificates / "server.pem"),
        "--tls-key-file", str(certificates / "server.key"), port=port,
    )  # fmt: skip
    return f"rediss://127.0.0.1:{port}/0"


async def asked(settings: config.settings.Redis) -> list[bytes | None]:
    link = redis_link(settings, 30.0)
    try:
        return await link.get("nothing")
    finally:
        await link.close()
        await leave_taken()


async def leave_taken() -> None:
    """Wait until every TLS connection has taken leave of the other side."""
    sockets = asyncio.get_running_loop()._selector.get_map()  # type: ignore[attr-defined]
    async with asyncio.timeout(60):
        while len(sockets) > 1:  # the loop's own
            await asyncio.sleep(0.005)
    await asyncio.sleep(0)


def test_redis_answers_whoever_trusts_it_and_knows_the_password(
    new_redis: Callable[..., Redis], certificates: Path
) -> None:
    right = config.settings.Redis(
        url=redis_over_tls(new_redis, certificates),
        ca_file=str(certificates / "ca.pem"), password_file=str(certificates / "password"),
    )  # fmt: skip
    assert asyncio.run(asked(right)) == [None]
    for wrong in (structs.replace(right, ca_file=""), structs.replace(right, password_file="")):
        with pytest.raises(StoreUnavailable) as caught:
            asyncio.run(asked(wrong))
        assert PASSWORD not in str(caught.value)


@pytest.mark.full
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_every_client_speaks_tls_and_logs_in(
    mechanism: str,
    new_broker: Callable[..., Broker],
    new_redis: Callable[..., Redis],
    certificates: Path,
    tmp_path: Path,
) -> None:
    if mechanism == "PLAIN":
        broker = new_broker(properties=secured(certificates))
        shown = {}
    else:
        scram = {"freshet": PASSWORD}
        broker = new_broker(properties=secured_with_scram(certificates), scram=scram)
        shown = {
            "FRESHET_KAFKA__SECURITY__CERT_FILE": str(certificates / "client.pem"),
            "FRESHET_KAFKA__SECURITY__KEY_FILE": str(certificates / "client.key"),
            "FRESHET_KAFKA__SECURITY__KEY_PASSWORD_FILE": str(certificates / "key-password"),
        }
    url = redis_over_tls(new_redis, certificates)
    links = {
        "FRESHET_KAFKA__SECURITY__PROTOCOL": "SASL_SSL",
        "FRESHET_KAFKA__SECURITY__MECHANISM": mechanism,
        "FRESHET_KAFKA__SECURITY__USERNAME": "freshet",
        "FRESHET_KAFKA__SECURITY__PASSWORD_FILE": str(certificates / "password"),
        "FRESHET_KAFKA__SECURITY__CA_FILE": str(certificates / "ca.pem"),
        **shown,
        "FRESHET_REDIS__CA_FILE": str(certificates / "ca.pem"),
        "FRESHET_REDIS__PASSWORD_FILE": str(certificates / "password"),
    }
    with running(broker.bootstrap, url, tmp_path, **links) as cluster:
        cluster.start("worker")
        api = cluster.api()
        position = send(api, events(0, 200))
        query: dict[str, str | int] = {"after": position, "wait_ms": 5_000}
        eventually(lambda: seen(api, query))
        eventually(lambda: cluster.state()["unlearned"] == 0)
        assert cluster.state()["applied"] == 200
        cluster.verb("dead-letters", "list", "--kafka", cluster.bootstrap)
        cluster.verb("store", "check")
        for name in shown:
            cluster.environment[name] = ""
        if shown:  # the password alone is not enough
            cluster.verb("topics", "check", code=1)
        cluster.environment.update(shown)
        (certificates / "password").write_text("wrong")
        said = cluster.verb("topics", "check", code=1)
        assert PASSWORD not in said


def seen(api: httpx.Client, query: dict[str, str | int]) -> bool:
    """Whether a list is personal, that is made from a row Redis has given."""
    answer = api.get("/v1/users/u1/recommendations", params=query).json()
    return bool(answer["served_by"] == "personal" and not answer["degraded"])
