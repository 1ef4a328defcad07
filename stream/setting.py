"""The `setting` record: how it is written and read, and what of it may change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from models.errors import SettingUnsuitable
from models.settings import LearningSettings
from models.suitable import require_suitable
from stream.errors import InvalidEvent, ManifestMismatch
from stream.events import decode


class _Setting(msgspec.Struct):
    type: Literal["setting"]
    learning: LearningSettings


_setting = msgspec.json.Decoder(_Setting)


def setting_record(settings: LearningSettings) -> bytes:
    """The record that makes a log go on under `settings`.

    >>> settings_in(setting_record(LearningSettings(repeats=True))).repeats
    True
    """
    body = {"type": "setting", "learning": msgspec.to_builtins(settings)}
    return msgspec.json.encode(body)


def settings_in(body: bytes) -> LearningSettings | None:
    """What a record sets; None where it is another record, or one that cannot be learned."""
    try:
        return _setting.decode(body).learning
    except msgspec.DecodeError:
        return None


def learning_in(body: bytes) -> LearningSettings:
    """What a `setting` record sets.

    Raises InvalidEvent naming the key, also of what nobody can learn under, such as a model that
    River has not got: whoever wrote the record, no model is to meet it.
    """
    settings: LearningSettings = decode(_setting, body).learning
    try:
        require_suitable(settings)
    except SettingUnsuitable as error:
        raise InvalidEvent(error.key, error.cause) from None
    return settings


def changes(current: LearningSettings, wanted: LearningSettings) -> list[str]:
    """The keys a new `setting` would change. Raises ManifestMismatch where one of them cannot.

    >>> changes(LearningSettings(), LearningSettings(repeats=True))
    ['learning.repeats']
    """
    wanted = with_horizons(current, wanted)
    fixed = differing_keys(with_widths(current, wanted), wanted)
    if fixed:
        raise ManifestMismatch(fixed)
    return differing_keys(current, wanted)


def with_horizons(current: LearningSettings, wanted: LearningSettings) -> LearningSettings:
    """`wanted`, and the horizons of `current` that it does not name: every one stays."""
    return replace(wanted, cooccurrence={**current.cooccurrence, **wanted.cooccurrence})


def with_widths(current: LearningSettings, wanted: LearningSettings) -> LearningSettings:
    """`wanted`, in the widths of `current`: tables of a model that has items keep theirs."""
    return replace(
        wanted,
        embeddings=replace(wanted.embeddings, dims=current.embeddings.dims),
        content=replace(wanted.content, dims=current.content.dims),
        ratings=replace(wanted.ratings, n_factors=current.ratings.n_factors),
        factors=replace(wanted.factors, dims=current.factors.dims),
    )


def differing_keys(current: LearningSettings, wanted: LearningSettings) -> list[str]:
    """The keys whose values differ, dotted as in a settings file, in order."""
    before, after = msgspec.to_builtins(current), msgspec.to_builtins(wanted)
    return sorted(_differing("learning", before, after))


def _differing(path: str, before: Any, after: Any) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in before.keys() | after.keys():
            yield from _differing(f"{path}.{key}", before.get(key), after.get(key))
    elif before != after:
        yield path
