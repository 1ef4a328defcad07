"""How the `[redis]` section becomes a connection; the one place that reads its secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from config.settings import Redis
from stream.redis.link import Link


def redis_link(settings: Redis, timeout_s: float) -> Link:
    """A pool of connections; none is made before the first call."""
    options: dict[str, Any] = {}
    if settings.password_file:
        options["password"] = Path(settings.password_file).read_text("utf-8").strip()
    if settings.url.startswith("rediss://"):
        files = {
            "ssl_ca_certs": settings.ca_file,
            "ssl_certfile": settings.cert_file,
            "ssl_keyfile": settings.key_file,
        }
        options |= {name: path for name, path in files.items() if path}
    return Link(settings.url, timeout_s, **options)
