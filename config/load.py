"""Reads the settings from flags, environment and file, and says what is wrong with them."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints
from urllib.parse import urlsplit

import msgspec

from config.errors import ConfigError
from config.settings import Settings
from models.errors import SettingUnsuitable
from models.river_models import nearest
from models.settings import River
from models.suitable import require_installed, require_suitable

PREFIX = "FRESHET_"
FILE = "freshet.toml"
# Named in the environment beside the settings, and not one of them.
_NOT_SETTINGS = {"FRESHET_CONFIG", "FRESHET_TEST_DATA", "FRESHET_API_KEY"}

Tree = dict[str, Any]


def load(
    flags: Mapping[str, Any] | None = None,
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Return the settings. `flags` maps dotted keys to values, None meaning not given.

    Raises ConfigError naming the key.
    """
    environ = os.environ if environ is None else environ
    tree = _from_file(file, environ)
    for key, value in _from_environment(environ):
        _put(tree, key, value.split(",") if _is_list(key) and value else value)
    for dotted, value in (flags or {}).items():
        if value is not None:
            _put(tree, dotted.split("."), value)
    _require_known(tree)
    _require_roles(tree)
    try:
        settings = msgspec.convert(_on_defaults(tree), Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(str(error), tree)) from None
    _require_whole(settings)
    return settings


def _require_whole(settings: Settings) -> None:
    """Raise ConfigError where settings contradict each other, or name a file that is not there."""
    mistake = settings.kafka.security.mistake()
    if mistake is not None:
        raise ConfigError(f"kafka.security.{mistake[0]}: {mistake[1]}")
    if urlsplit(settings.redis.url).password is not None:
        raise ConfigError("redis.url: holds a password; it belongs in the file redis.password_file")
    if settings.worker.heartbeat_s * 3 > settings.worker.session_timeout_s:
        raise ConfigError("worker.heartbeat_s: must be a third of worker.session_timeout_s at most")
    try:
        require_suitable(settings.learning)
        require_installed(settings.learning)
    except SettingUnsuitable as error:
        raise ConfigError(str(error)) from None
    for section, struct in (
        ("kafka.security", settings.kafka.security),
        ("redis", settings.redis),
        ("alerts", settings.alerts),
    ):
        for name, value in msgspec.structs.asdict(struct).items():
            if name.endswith("_file") and value and not Path(value).is_file():
                raise ConfigError(f"{section}.{name}: {value} is not a file")


def _require_roles(tree: Tree) -> None:
    """Raise ConfigError for a role that a model of River's cannot have."""
    roles = get_args(get_type_hints(River)["role"])
    for name, values in tree.get("learning", {}).get("river", {}).items():
        role = values.get("role")
        if isinstance(role, str) and role not in roles:
            hint = nearest(role, roles)
            raise ConfigError(f"learning.river.{name}.role: is no role{hint}")


def _from_file(file: Path | None, environ: Mapping[str, str]) -> Tree:
    named = file or (Path(environ["FRESHET_CONFIG"]) if environ.get("FRESHET_CONFIG") else None)
    path = named or Path(FILE)
    if not path.exists():
        if named is not None:
            raise ConfigError(f"the configuration file {named} does not exist")
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[list[str], str]]:
    for name, value in sorted(environ.items()):
        if name.startswith(PREFIX) and name not in _NOT_SETTINGS:
            yield name[len(PREFIX) :].lower().split("__"), value


def _put(tree: Tree, key: list[str], value: Any) -> None:
    for part in key[:-1]:
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"{'.'.join(key)} is set where {part} is already a plain value")
    tree[key[-1]] = value


def _require_known(tree: Tree) -> None:
    known = set(keys_of(Settings))
    for key in _leaves(tree):
        if not any(_matches(key, pattern) for pattern in known):
            nearest = difflib.get_close_matches(key, [k.replace("*", "…") for k in known], 1, 0.0)
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            raise ConfigError(f"{key.rstrip('.')} is not a setting{hint}")


def _on_defaults(tree: Tree) -> Tree:
    """Give named entries their defaults: one event type's weight must not drop all other types."""
    learning = dict(tree.get("learning", {}))
    defaults = msgspec.to_builtins(Settings().learning)
    for name in ("events", "cooccurrence"):
        entries = dict(defaults[name])
        for entry, values in learning.get(name, {}).items():
            entries[entry] = {**entries.get(entry, {}), **values}
        learning[name] = entries
    return {**tree, "learning": learning}


def _leaves(tree: Tree, prefix: str = "") -> Iterator[str]:
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{key}.")
        elif isinstance(value, dict):
            yield f"{key}."
        else:
            yield key


def _matches(key: str, pattern: str) -> bool:
    """Whether `key` is the setting; one that ends in a dot is a section without entries."""
    given, known = key.split("."), pattern.split(".")
    if known[-1] == "parameters":  # of another project's class, which checks them itself
        given = given[: len(known)]
    if given[-1] == "":
        given, known = given[:-1], known[: len(given) - 1] if len(known) >= len(given) else []
    return len(given) == len(known) and all(
        theirs in ("*", ours) for ours, theirs in zip(given, known, strict=True)
    )


def keys_of(struct: type[msgspec.Struct], prefix: str = "") -> Iterator[str]:
    """Dotted keys of all settings; `*` stands for a name of the user's choice.

    >>> "api.port" in set(keys_of(Settings)), "learning.events.*.weight" in set(keys_of(Settings))
    (True, True)
    """
    names = {field.name: field.encode_name for field in msgspec.structs.fields(struct)}
    for attribute, kind in get_type_hints(struct).items():
        name = names[attribute]
        inner = _struct_in(kind)
        if inner is None:
            yield f"{prefix}{name}"
        else:
            stars = "*." if _is_mapping(kind) else ""
            yield from keys_of(inner, f"{prefix}{name}.{stars}")


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    for argument in get_args(kind):
        if isinstance(argument, type) and issubclass(argument, msgspec.Struct):
            return argument
    return None


def _is_list(key: list[str]) -> bool:
    """Whether the setting is a list; in the environment its entries stand between commas.

    >>> [_is_list(key.split(".")) for key in ("api.trusted_hosts", "api.port", "no.such.key")]
    [True, False, False]
    """
    kind: Any = Settings
    for name in key:
        struct = _struct_in(kind)
        kind = get_type_hints(struct).get(name) if struct is not None else None
    return getattr(kind, "__origin__", None) is list


def _is_mapping(kind: Any) -> bool:
    return getattr(kind, "__origin__", None) is dict


def _culprit(section: str, tree: Tree, message: str) -> str:
    """The named entry of `learning.river` or another such section that `message` is about."""
    _, name = section.split(".")
    learning = tree["learning"]
    for entry, values in learning[name].items():
        try:
            alone = {**tree, "learning": {**learning, name: {entry: values}}}
            msgspec.convert(_on_defaults(alone), Settings, strict=False)
        except msgspec.ValidationError as error:
            if str(error) == message:
                return str(entry)
    return "…"


def _explain(message: str, tree: Tree) -> str:
    """Turn `Expected `int` >= 1 - at `$.api.port`` round, the key first.

    >>> _explain("Expected `int` >= 1 - at `$.api.port`", {})
    'api.port: expected int >= 1'
    """
    match = re.match(r"(?P<what>.*) - at `\$\.?(?P<key>[^`]*)`$", message)
    if match is None:
        return message
    section, dots, field = match["key"].partition("[...]")
    key = f"{section}.{_culprit(section, tree, message)}{field}" if dots else section
    key = key.replace("[...]", "")
    what = match["what"].replace("`", "")
    return f"{key}: {what[0].lower()}{what[1:]}"
