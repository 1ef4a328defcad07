"""How the topics of a namespace are laid out, and what is wrong with those that are not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from stream.kafka.names import Topics

_DAY_MS: Final = 86_400_000
# An example carries up to 64 history entries and, where it is scored, what its user has seen;
# an envelope of 200 events becomes one record of examples.
_EXAMPLES_BYTES: Final = 8 * 1024 * 1024
# The original bytes of a record as large as a broker takes, and its headers.
_DEAD_BYTES: Final = 2 * 1024 * 1024

_TIME: Final = "message.timestamp.type"
_CLEANUP: Final = "cleanup.policy"
_RETENTION: Final = "retention.ms"
_RETENTION_BYTES: Final = "retention.bytes"


@dataclass(frozen=True, slots=True)
class Layout:
    """What an operator chooses. Days of 0: kept for ever."""

    partitions: int = 12
    replication: int = 1
    events_days: float = 0.0
    examples_days: float = 30.0
    dead_days: float = 90.0

    def planned(self, names: Topics) -> tuple[Planned, ...]:
        """The four topics. `events` and `control` carry the broker's time: learning reads it."""
        appended = {_TIME: "LogAppendTime"}
        return (
            Planned(names.events, self.partitions, self._config(self.events_days, appended)),
            Planned(names.control, 1, self._config(0.0, appended)),
            Planned(
                names.examples, 1,
                self._config(self.examples_days, {"max.message.bytes": str(_EXAMPLES_BYTES)}),
            ),
            Planned(
                names.dead, 1, self._config(self.dead_days, {"max.message.bytes": str(_DEAD_BYTES)})
            ),
        )  # fmt: skip

    def _config(self, days: float, more: Mapping[str, str]) -> dict[str, str]:
        # One copy may be away without stopping writes, where there are copies at all.
        in_sync = max(1, self.replication - 1)
        return {
            _CLEANUP: "delete",
            _RETENTION: str(int(days * _DAY_MS)) if days else "-1",
            _RETENTION_BYTES: "-1",
            "min.insync.replicas": str(in_sync),
            **more,
        }


@dataclass(frozen=True, slots=True)
class Planned:
    """A topic as it should be."""

    name: str
    partitions: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as it is; `replication` is that of its least copied partition."""

    partitions: int
    replication: int
    config: Mapping[str, str]


def faults_of(planned: Planned, found: Found | None) -> Iterator[str]:
    """What is wrong with a topic, each with its remedy. What only costs space is not a fault."""
    name = planned.name
    if found is None:
        yield f"{name} does not exist; run `freshet topics create`"
        return
    if found.partitions != planned.partitions:
        yield _partitions_fault(planned, found)
    if found.config.get(_CLEANUP) != "delete":
        yield (
            f"{name} is compacted ({_CLEANUP}={found.config.get(_CLEANUP)}), which drops records "
            f"that learning counts on; {_remedy(name, _CLEANUP, 'delete')}, and where it has been "
            "compacted already, fill a new namespace"
        )
    wanted = planned.config.get(_TIME)
    if wanted is not None and found.config.get(_TIME) != wanted:
        yield (
            f"{name} has {_TIME}={found.config.get(_TIME)}: producers could set the time at which "
            f"events count as received; {_remedy(name, _TIME, wanted)}"
        )
    if planned.config[_RETENTION] == "-1":
        for key in (_RETENTION, _RETENTION_BYTES):
            if found.config.get(key) != "-1":
                yield (
                    f"{name} is trimmed ({key}={found.config.get(key)}) and should be kept for "
                    f"ever; {_remedy(name, key, '-1')}"
                )


def _partitions_fault(planned: Planned, found: Found) -> str:
    fault = f"{planned.name} has {found.partitions} partitions and should have {planned.partitions}"
    if planned.partitions == 1:
        return f"{fault}: its order is what the model learns; delete it and run `topics create`"
    return (
        f"{fault}: users would change partitions and lose their history; set kafka.partitions = "
        f"{found.partitions}, or fill a new namespace with the other number"
    )


def _remedy(topic: str, key: str, value: str) -> str:
    return (
        f"kafka-configs.sh --alter --entity-type topics --entity-name {topic} "
        f"--add-config {key}={value}"
    )
