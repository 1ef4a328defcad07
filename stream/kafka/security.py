"""How clients reach the brokers: one block of settings, in the words of each client library."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from stream.kafka.errors import SecurityMistake

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class Security(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """TLS and SASL of all Kafka clients. Secrets are in files, never in settings.

    `ca_file` empty: the system's authorities. `cert_file` and `key_file`: a client certificate,
    where brokers ask for one.
    """

    protocol: Protocol = "PLAINTEXT"
    mechanism: Mechanism = "SCRAM-SHA-512"
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    key_password_file: str = ""
    check_hostname: bool = True

    @property
    def encrypted(self) -> bool:
        return self.protocol in ("SSL", "SASL_SSL")

    @property
    def authenticated(self) -> bool:
        return self.protocol in ("SASL_PLAINTEXT", "SASL_SSL")

    def mistake(self) -> tuple[str, str] | None:
        """The first key that contradicts the protocol, and what is wrong; None when all is well."""
        if self.authenticated and not self.username:
            return "username", f"is needed by protocol {self.protocol}"
        if self.authenticated and not self.password_file:
            return "password_file", f"is needed by protocol {self.protocol}"
        if not self.authenticated and (self.username or self.password_file):
            return "protocol", f"is {self.protocol}, which sends no username; is SASL_SSL meant?"
        if not self.encrypted and (self.ca_file or self.cert_file or self.key_file):
            return "protocol", f"is {self.protocol}, which uses no certificates; is SSL meant?"
        if bool(self.cert_file) != bool(self.key_file):
            return "cert_file", "and key_file belong together"
        return None


def read_secret(path: str) -> str:
    """The secret in a file, without the line's end. Raises SecurityMistake, never showing it."""
    try:
        secret = Path(path).read_text("utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise SecurityMistake(f"the secret's file {path} cannot be read: {reason}") from None
    if not secret:
        raise SecurityMistake(f"the secret's file {path} is empty")
    return secret


@dataclass(frozen=True)
class Link:
    """The way to the brokers, for every client library. Builds nothing until asked."""

    bootstrap: str = "127.0.0.1:9092"
    security: Security = field(default_factory=Security)

    def ssl_context(self) -> ssl.SSLContext | None:
        """A context that verifies the brokers; None without TLS. Raises SecurityMistake."""
        s = self.security
        if not s.encrypted:
            return None
        try:
            context = ssl.create_default_context(cafile=s.ca_file or None)
            context.check_hostname = s.check_hostname
            if s.cert_file:
                password = read_secret(s.key_password_file) if s.key_password_file else None
                context.load_cert_chain(s.cert_file, s.key_file, password)
        except OSError as error:
            raise SecurityMistake(f"kafka.security: a certificate is not usable: {error}") from None
        return context

    def options(self) -> dict[str, Any]:
        """Keyword arguments that kafka-python and aiokafka both understand."""
        s = self.security
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap.split(","),
            "security_protocol": s.protocol,
            "ssl_context": self.ssl_context(),
        }
        if s.authenticated:
            options["sasl_mechanism"] = s.mechanism
            options["sasl_plain_username"] = s.username
            options["sasl_plain_password"] = read_secret(s.password_file)
        return options
