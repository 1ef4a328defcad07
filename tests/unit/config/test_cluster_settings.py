"""Settings of the cluster mode: what contradicts itself is refused, secrets come from files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from config.errors import ConfigError
from config.load import load
from stream.kafka.errors import SecurityMistake
from stream.kafka.security import Link, Security

USER = {"FRESHET_KAFKA__SECURITY__PROTOCOL": "SASL_SSL", "FRESHET_KAFKA__SECURITY__USERNAME": "u"}


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (
            {"FRESHET_KAFKA__SECURITY__PROTOCOL": "SASL_SSL"},
            "kafka.security.username: is needed by protocol SASL_SSL",
        ),
        (USER, "kafka.security.password_file: is needed"),
        ({"FRESHET_KAFKA__SECURITY__USERNAME": "u"}, "kafka.security.protocol: is PLAINTEXT"),
        ({"FRESHET_KAFKA__SECURITY__CA_FILE": "x"}, "kafka.security.protocol: is PLAINTEXT"),
        (
            {"FRESHET_KAFKA__SECURITY__PROTOCOL": "SSL", "FRESHET_KAFKA__SECURITY__KEY_FILE": "k"},
            "kafka.security.cert_file: and key_file belong together",
        ),
        (
            {**USER, "FRESHET_KAFKA__SECURITY__PASSWORD_FILE": "gone"},
            "kafka.security.password_file: gone is not a file",
        ),
        ({"FRESHET_KAFKA__BOOTSTRAP": "broker"}, "kafka.bootstrap"),
        ({"FRESHET_KAFKA__PARTITIONS": "0"}, "kafka.partitions"),
        ({"FRESHET_REDIS__URL": "redis://:hush@h:1"}, "redis.url: holds a password"),
        ({"FRESHET_REDIS__URL": "http://h:1"}, "redis.url"),
        ({"FRESHET_REDIS__PASSWORD_FILE": "gone"}, "redis.password_file: gone is not a file"),
        ({"FRESHET_WORKER__HEARTBEAT_S": "6"}, "worker.heartbeat_s: must be a third"),
    ],
)
def test_a_contradiction_is_refused_by_its_key(environ: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(environ=environ)
    assert said in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_password_comes_from_its_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hush\n")
    environ = {**USER, "FRESHET_KAFKA__SECURITY__PASSWORD_FILE": str(secret)}
    settings = load(environ=environ)
    options = Link(settings.kafka.bootstrap, settings.kafka.security).options()
    assert options["sasl_plain_password"] == "hush"
    assert options["ssl_context"] is not None
    assert "hush" not in repr(settings)


def test_an_empty_or_missing_secret_is_named_by_its_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    security = Security(protocol="SASL_PLAINTEXT", username="u", password_file=str(secret))
    with pytest.raises(SecurityMistake, match="cannot be read"):
        Link("h:1", security).options()
    secret.write_text("\n")
    with pytest.raises(SecurityMistake, match="is empty"):
        Link("h:1", security).options()


def test_the_command_line_of_the_embedded_mode_imports_no_cluster_client() -> None:
    code = (
        "import sys; from config.cli.verbs import VERBS, command_line; command_line(VERBS); "
        "print(sorted({'kafka','aiokafka','faust','redis','fsspec'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
