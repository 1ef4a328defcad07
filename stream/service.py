"""What the HTTP tier asks of the system, the same in every mode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec import Raw

from models.model import Model
from models.settings import LearningSettings
from stream.canary import refuse_canary
from stream.errors import InvalidEvent
from stream.events import parse_feedback, time_of
from stream.ids import fresh_id
from stream.impressions import Impression
from stream.manifest import Manifest
from stream.profiles import UserRow

# The HTTP tier's bound is stage one's lateness less this, so that nothing answered 2xx is late.
_MARGIN_S = 60.0


@dataclass(frozen=True)
class Checked:
    """One accepted event: its bytes for the log, and who it is."""

    body: bytes
    user_id: str
    event_id: str
    type: str = ""


@dataclass(frozen=True)
class Receipt:
    """What became of an append; `positions` holds the next offset of every touched partition.

    `repeats` are the indices of the duplicates.
    """

    accepted: int
    duplicates: int
    positions: dict[int, int]
    repeats: Sequence[int] = ()


@dataclass(frozen=True)
class Applied:
    """Keys that another learning configuration changes, and where in the log it begins."""

    changed: list[str]
    positions: dict[int, int]


class Reading(NamedTuple):
    """A user's row, None for somebody unknown, and the next positions it already shows."""

    row: UserRow | None
    positions: dict[int, int]


@dataclass(frozen=True)
class Freshness:
    """How late this process is.

    `lag_s` is by partition, 0 at the end of the log. `visible` counts events by their age when
    they began to show in others' lists, by upper bound in seconds, each with all below it, up to
    `+Inf`; empty where that is not measured. `visible_sum_s` is the sum of those ages. `learned`
    and its sum are the same of the moment when the model of this process had learned them.
    """

    lag_s: dict[int, float]
    visible: list[tuple[str, int]]
    visible_sum_s: float
    learned: Sequence[tuple[str, int]] = ()
    learned_sum_s: float = 0.0


class Service(Protocol):
    """The system behind the HTTP tier. Every answer comes from here, whatever the adapters."""

    mode: str
    namespace: str
    manifest: Manifest
    model: Model

    async def read(self, user_id: str) -> Reading:
        """The user's row and the position it shows. Raises StreamError where rows are away."""
        ...

    async def append_feedback(self, events: Sequence[Checked], imported: bool) -> Receipt:
        """Append and return once durable. Raises LogUnavailable; then nothing was kept."""
        ...

    async def append_control(self, bodies: Sequence[bytes]) -> Receipt:
        """Append `item` and `user` records, as for feedback."""
        ...

    def append_impressions(self, impressions: Sequence[Impression]) -> None:
        """Append lists that were shown, off the path of any request.

        Called on the event loop; returns at once. They are durable some time later. What there
        is no room for, or what cannot be kept now, is dropped and counted in `status` as
        `impressions_dropped`: a list nobody remembers costs a lesson, waiting an answer.
        """
        ...

    async def impressions_kept(self) -> None:
        """Wait until no such list is on its way to the log any more."""
        ...

    async def apply_settings(self, settings: LearningSettings) -> Applied:
        """Append a `setting` where it differs from the one in force.

        Raises ManifestMismatch for what cannot change, LogUnavailable.
        """
        ...

    async def wait(self, user_id: str, after: dict[int, int], timeout_s: float) -> bool:
        """True once the rows of the user's partition have reached `after`."""
        ...

    def position(self, user_id: str) -> dict[int, int]:
        """Next position of the user's partition that this process last knew of."""
        ...

    def published_at(self) -> float:
        """Monotonic seconds at which the model last changed."""
        ...

    def ready(self) -> str | None:
        """None when ready to serve, else why not."""
        ...

    def status(self) -> dict[str, float]:
        """Numbers for metrics."""
        ...

    def freshness(self) -> Freshness:
        """How late this process is, for metrics."""
        ...

    def recent_users(self, limit: int) -> list[tuple[str, int]]:
        """Most recently active users and their event counts."""
        ...

    def activity(self, after: int) -> tuple[list[dict[str, Any]], int]:
        """Events learned after sequence number `after`, and the next number."""
        ...


def accept(
    raw: bytes | Raw, received_at: float, manifest: Manifest, imported: bool
) -> Checked | None:
    """Check one event for the log; None where consent is withheld. Raises InvalidEvent.

    An absent `event_id` is made up here and written into the body, so that a repeat of the
    record is known for one.
    """
    event = parse_feedback(raw)
    refuse_canary(event.user_id)
    if event.consent is False:
        return None
    time = time_of(event.timestamp, received_at)
    if not imported:
        check_time(time, received_at, manifest)
    if event.event_id is not None:
        return Checked(bytes(raw), event.user_id, event.event_id, event.type)
    event_id = fresh_id()
    body = bytes(raw).rstrip()[:-1] + b',"event_id":"' + event_id.encode() + b'"}'
    return Checked(body, event.user_id, event_id, event.type)


def check_time(time: float, received_at: float, manifest: Manifest) -> None:
    """Raise InvalidEvent when an event is older or newer than stage one will take."""
    if time < received_at - manifest.lateness_s + min(_MARGIN_S, manifest.lateness_s / 2):
        days = manifest.lateness_s / 86_400
        raise InvalidEvent("timestamp", f"is older than {days:g} days; import it with ?import=true")
    if time > received_at + manifest.future_s:
        raise InvalidEvent("timestamp", f"is more than {manifest.future_s:g} s in the future")


def control_body(kind: str, record: msgspec.Struct) -> bytes:
    """The log's bytes of a checked `item` or `user` record."""
    return msgspec.json.encode({"type": kind, **msgspec.to_builtins(record)})
