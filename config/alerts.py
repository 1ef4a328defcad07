"""The rules of alerts as the settings name them, and who is told."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from api.alerts.rules import Rule, RulesInvalid, parse
from api.alerts.watcher import Change, Watch
from api.alerts.webhook import Webhook
from config.errors import ConfigError
from config.settings import Settings


def watch_of(settings: Settings) -> Watch:
    """Raises ConfigError for rules that cannot be read, saying where."""
    return Watch(rules_of(settings), _told(settings), settings.alerts.every_s)


def rules_of(settings: Settings) -> list[Rule]:
    """Raises ConfigError for rules that cannot be read, saying where."""
    named = settings.alerts.rules
    try:
        text = Path(named).read_text("utf-8") if named else shipped()
        return parse(text)
    except OSError as error:
        raise ConfigError(f"alerts.rules: {named} cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, RulesInvalid) as error:
        raise ConfigError(f"alerts.rules: {named or 'config/alerts.toml'}: {error}") from None


def shipped() -> str:
    """The rules that come with Freshet."""
    return (files("config") / "alerts.toml").read_text("utf-8")


def _told(settings: Settings) -> list[Callable[[Change], None]]:
    """Who is told of every alert that begins or ends."""
    if not settings.alerts.webhook_url:
        return []
    secret = settings.alerts.webhook_secret_file
    key = Path(secret).read_bytes().strip() if secret else b""
    return [Webhook(settings.alerts.webhook_url, key).tell]
