"""Who may come in from where, as the settings say; a door left open by mistake is refused."""

from __future__ import annotations

import ipaddress
import logging
from pathlib import Path

from api.guard import Front, Guard, Rates
from api.hosts import LOOPBACK
from api.keys import KeyFile, KeyRing, KeysUnreadable
from api.load import Bounds
from config.bootstrap import folder_of
from config.errors import ConfigError
from config.settings import Settings

logger = logging.getLogger(__name__)


def key_file(settings: Settings) -> KeyFile:
    named = settings.api.keys_file
    return KeyFile(Path(named) if named else folder_of(settings).root / "keys.json")


def on_loopback(host: str) -> bool:
    """Whether only this machine can reach the address.

    >>> [on_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.org")]
    [True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def front(settings: Settings) -> Front:
    """Raises ConfigError for an address that others can reach while there is no key."""
    api, local = settings.api, on_loopback(settings.api.host)
    file = key_file(settings)
    try:
        ring = KeyRing(file, required=not (local or api.allow_open))
    except KeysUnreadable as error:
        raise ConfigError(f"api.keys_file: {error}") from None
    if not local:
        _require_door(ring, settings)
    rates = Rates() if local else Rates(api.rate_per_key, api.rate_per_address)
    hosts = api.trusted_hosts or (LOOPBACK if local else ("*",))
    bounds = Bounds(api.queue, api.heavy_s)
    return Front(Guard(ring, rates), tuple(hosts), tuple(api.cors_origins), bounds)


def _require_door(ring: KeyRing, settings: Settings) -> None:
    if ring.known:
        return
    if not settings.api.allow_open:
        raise ConfigError(
            "api.host: others can reach this address and there is no API key yet; make one with "
            "`freshet keys create --scope read --scope write`, or listen on 127.0.0.1, or let "
            "everybody in with FRESHET_API__ALLOW_OPEN=true"
        )
    logger.warning(
        "open to everybody who can reach it: there is no API key, and api.allow_open is set"
    )
