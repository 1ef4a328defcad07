"""What is fixed for the life of a namespace: the first record of its log."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, structs

from stream.errors import ManifestMismatch


class Manifest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What stage one depends on. Another value needs another namespace, filled anew.

    `scoring` marks examples for scoring: all, or a sample of about `scoring_rate` a second in
    all partitions together. The caps bound what one user can do to everybody's lists; they do
    not touch imports.
    """

    history: Annotated[int, Meta(ge=1, le=100)] = 100
    seen: Annotated[int, Meta(ge=1, le=1000)] = 1000
    dedup_window: Annotated[int, Meta(ge=1024, le=2**24)] = 2**21
    lateness_s: Annotated[float, Meta(gt=0)] = 30 * 86_400.0
    future_s: Annotated[float, Meta(ge=0)] = 300.0
    scoring: Literal["sample", "all"] = "sample"
    scoring_rate: Annotated[float, Meta(gt=0)] = 400.0
    user_events_per_minute: Annotated[int, Meta(ge=1)] = 20
    # Counted in a byte that stops at 255.
    pair_events_per_hour: Annotated[int, Meta(ge=1, le=254)] = 3
    # Users kept in all partitions together; beyond, the least recently active leave.
    max_users: Annotated[int, Meta(ge=2, le=10**9)] = 1_000_000
    partitions: Annotated[int, Meta(ge=1, le=1024)] = 1
    seed: Annotated[int, Meta(ge=0, le=2**62)] = 1

    @property
    def most_users(self) -> int:
        """Users that one partition keeps, at most."""
        return max(2, -(-self.max_users // self.partitions))

    def require_same(self, wanted: Manifest) -> None:
        """Raise ManifestMismatch naming every key that differs in `wanted`."""
        differing = [
            f"manifest.{name}"
            for name in structs.asdict(self)
            if getattr(self, name) != getattr(wanted, name)
        ]
        if differing:
            raise ManifestMismatch(differing)


def manifest_in(body: bytes | None) -> dict[str, Any] | None:
    """The manifest's record as it was written; None where the bytes are no such record."""
    try:
        found = msgspec.json.decode(body or b"")
    except msgspec.DecodeError:
        return None
    if not isinstance(found, dict) or found.get("type") != "manifest":
        return None
    return found if isinstance(found.get("manifest"), dict) else None
