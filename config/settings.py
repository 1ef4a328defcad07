"""Every setting, typed and frozen: flags beat the environment, that the file, that the defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from models.settings import LearningSettings
from stream.kafka.security import Security
from stream.manifest import Manifest

Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
Rate = Annotated[str, Meta(pattern=r"^(\d+/(second|minute|hour|day))?$")]
Days = Annotated[float, Meta(ge=0)]


class Core(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the embedded mode keeps its data, and under which name."""

    data_dir: str = "./freshet-data"
    namespace: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")] = "default"


class Api(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The HTTP tier.

    Without keys it listens on this machine only, unless `allow_open`. Rates are counted in
    each process, and not at all on loopback; empty: no limit. `trusted_hosts` are the names it
    answers to; when empty, those of this machine on loopback and any elsewhere. `proxies` are the
    addresses whose `X-Forwarded-For` is believed, `*` any. `keys_file`, when empty, is
    `keys.json` in the data folder. Beyond `queue` requests in hand further ones get 503; while a
    turn of the event loop takes longer than `heavy_s`, lists come from a cheaper rung.
    `impressions` is the share of lists that the log remembers as shown; `cache_entries` are answers
    each process keeps for a repeat of the same request.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8000
    docs: bool = True
    allow_open: bool = False
    keys_file: str = ""
    rate_per_key: Rate = "2000/second"
    rate_per_address: Rate = "1000/second"
    trusted_hosts: list[str] = []
    cors_origins: list[str] = []
    proxies: list[str] = []
    queue: Count = 512
    heavy_s: Seconds = 0.1
    impressions: Annotated[float, Meta(ge=0, le=1)] = 1.0
    cache_entries: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


class Snapshots(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When state is saved: after so many records, or so many seconds, whichever is first.

    `freshet run` gives it a twentieth of the time at most: a large state is saved less often.

    In the cluster, those who follow the model compare its hash every `hash_every_records` of
    `examples`; give all processes the same number.
    """

    every_records: Count = 20_000
    every_s: Seconds = 60.0
    keep: Count = 3
    hash_every_records: Count = 10_000


class Logs(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the program says on stderr.

    Ids of users, items and sessions are left out of it, or `hashed`, or `plain`, as `ids` says.
    With `access` there is a line for every request.
    """

    level: Annotated[str, Meta(pattern="^(debug|info|warning|error)$")] = "info"
    json: bool = False
    ids: Literal["none", "hashed", "plain"] = "none"
    access: bool = False


class Traces(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Spans, sent as OTLP over HTTP to `endpoint` (as in http://127.0.0.1:4318/v1/traces).

    Empty: none. `share` of the traces that begin here are kept; of others their caller decides.
    """

    endpoint: Annotated[str, Meta(pattern=r"^(https?://\S+)?$")] = ""
    share: Annotated[float, Meta(ge=0, le=1)] = 1.0


class Alerts(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Alerts watched over in this process. `rules`, when empty, are those that come with Freshet.

    Every change is posted to `webhook_url`, signed with the secret in `webhook_secret_file`.
    """

    every_s: Seconds = 10.0
    rules: str = ""
    webhook_url: Annotated[str, Meta(pattern=r"^(https?://\S+)?$")] = ""
    webhook_secret_file: str = ""


class Canary(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A synthetic user who clicks every `every_s` seconds and looks whether it shows; 0: none."""

    every_s: Annotated[float, Meta(ge=0)] = 5.0


class Demo(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The demo's live part."""

    events_per_second: Annotated[float, Meta(gt=0, le=1000)] = 3.0


class Kafka(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The cluster's log. Days are how long a topic keeps its records, 0: for ever.

    `partitions` and `replication` are read by `freshet topics create`; `partitions` is fixed from
    then on. `events` trimmed can no longer be rebuilt from its start; `examples` must outlast the
    longest time a process is away.
    """

    bootstrap: Annotated[str, Meta(pattern=r"^[^\s,]+:\d+(,[^\s,]+:\d+)*$")] = "127.0.0.1:9092"
    partitions: Annotated[int, Meta(ge=1, le=1024)] = 12
    replication: Annotated[int, Meta(ge=1, le=9)] = 1
    events_days: Days = 0.0
    examples_days: Days = 30.0
    dead_days: Days = 90.0
    security: Security = field(default_factory=Security)


class Redis(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The cluster's serving store. `rediss://` in the URL is TLS; a user's name may stand in it.

    A request waits `request_timeout_s` for one answer and does not try again; workers wait
    `worker_timeout_s` and do.
    """

    url: Annotated[str, Meta(pattern=r"^rediss?://")] = "redis://127.0.0.1:6379/0"
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    request_timeout_s: Seconds = 0.05
    worker_timeout_s: Seconds = 5.0


class Worker(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`freshet worker`, and where API processes find the model's snapshots.

    `snapshots` is a folder or an fsspec URL that all of them see. Partitions of a worker that was
    killed rest for `session_timeout_s`; with an `instance_id` of its own, a restarted worker gets
    its partitions back at once. `metrics_port` 0: no metrics over HTTP.
    """

    snapshots: Annotated[str, Meta(min_length=1)] = "./freshet-data/cluster"
    instance_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{0,128}$")] = ""
    session_timeout_s: Annotated[float, Meta(ge=1)] = 6.0
    heartbeat_s: Seconds = 0.5
    rebalance_timeout_s: Annotated[float, Meta(ge=1)] = 10.0
    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int, Meta(ge=0, le=65535)] = 0


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All sections. `manifest` is fixed once a data folder is begun; `learning` may change."""

    core: Core = field(default_factory=Core)
    api: Api = field(default_factory=Api)
    snapshots: Snapshots = field(default_factory=Snapshots)
    logs: Logs = field(default_factory=Logs)
    traces: Traces = field(default_factory=Traces)
    alerts: Alerts = field(default_factory=Alerts)
    canary: Canary = field(default_factory=Canary)
    demo: Demo = field(default_factory=Demo)
    kafka: Kafka = field(default_factory=Kafka)
    redis: Redis = field(default_factory=Redis)
    worker: Worker = field(default_factory=Worker)
    manifest: Manifest = field(default_factory=Manifest)
    learning: LearningSettings = field(default_factory=LearningSettings)
