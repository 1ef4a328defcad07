"""Every setting, typed and frozen: flags beat the environment, that the file, that the defaults."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from models.settings import LearningSettings
from stream.manifest import Manifest

Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class Core(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the embedded mode keeps its data, and under which name."""

    data_dir: str = "./freshet-data"
    namespace: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")] = "default"


class Api(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The HTTP tier."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8000
    docs: bool = True


class Snapshots(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When state is saved: after so many records, or so many seconds, whichever is first."""

    every_records: Count = 20_000
    every_s: Seconds = 60.0
    keep: Count = 3


class Logs(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the program says on stderr."""

    level: Annotated[str, Meta(pattern="^(debug|info|warning|error)$")] = "info"
    json: bool = False


class Demo(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The demo's live part."""

    events_per_second: Annotated[float, Meta(gt=0, le=1000)] = 3.0


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All sections. `manifest` is fixed once a data folder is begun; `learning` may change."""

    core: Core = field(default_factory=Core)
    api: Api = field(default_factory=Api)
    snapshots: Snapshots = field(default_factory=Snapshots)
    logs: Logs = field(default_factory=Logs)
    demo: Demo = field(default_factory=Demo)
    manifest: Manifest = field(default_factory=Manifest)
    learning: LearningSettings = field(default_factory=LearningSettings)
