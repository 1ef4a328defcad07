"""What one fetch brought of one partition, cut at holes. Pure: no broker, no clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from stream.source import TP, SourceRecord


class Fetched(Protocol):
    """A record as aiokafka returns it; the topic and partition are known from elsewhere."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


@dataclass(frozen=True, slots=True)
class Parcel:
    """Consecutive records of a partition, to be handled if `start` is still its next offset.

    `start` lies below the first record only where the log has a hole. `epoch` tells parcels
    fetched under an earlier assignment or seek from those that count.
    """

    tp: TP
    epoch: int
    start: int
    records: Sequence[Fetched]

    @property
    def end(self) -> int:
        return self.records[-1].offset + 1


def cut(tp: TP, epoch: int, start: int, records: Sequence[Fetched]) -> list[Parcel]:
    """Cut `records` where an offset is missing, so that every parcel is consecutive.

    Records of one fetch at one position lie in the log one after the other: what is missing
    between them does not exist.

    >>> from types import SimpleNamespace as Record
    >>> some = [Record(offset=offset) for offset in (3, 4, 6, 7)]
    >>> [(p.start, len(p.records), p.end) for p in cut(TP("t", 0), 1, 3, some)]
    [(3, 2, 5), (5, 2, 8)]
    """
    if not records:
        return []
    if records[-1].offset - records[0].offset == len(records) - 1:
        return [Parcel(tp, epoch, start, records)]
    parcels: list[Parcel] = []
    begin = 0
    for at in range(1, len(records) + 1):
        if at == len(records) or records[at].offset != records[at - 1].offset + 1:
            parcels.append(Parcel(tp, epoch, start, records[begin:at]))
            begin, start = at, records[at - 1].offset + 1
    return parcels


@dataclass(frozen=True, slots=True)
class Slice:
    """The part of a parcel that is handed over at once."""

    parcel: Parcel
    begin: int
    end: int

    def records(self) -> list[SourceRecord]:
        """Its records in the port's form."""
        tp = self.parcel.tp
        return [
            SourceRecord(tp, r.offset, r.timestamp, r.key, r.value, tuple(r.headers))
            for r in self.parcel.records[self.begin : self.end]
        ]


def lots(parcels: Sequence[Parcel], batch: int) -> Iterator[list[Slice]]:
    """Cut what a fetch brought into lots of about `batch` records, in which partitions share.

    A lot holds at most one slice of a partition, so that partitions have one acknowledgement
    and one write between them; slices of a partition follow each other.

    >>> from types import SimpleNamespace as Record
    >>> some = [Record(offset=offset) for offset in range(3)]
    >>> fetched = [Parcel(TP("t", 0), 1, 0, some), Parcel(TP("t", 1), 1, 0, some[:1])]
    >>> [[(s.parcel.tp.partition, s.begin, s.end) for s in lot] for lot in lots(fetched, 4)]
    [[(0, 0, 2), (1, 0, 1)], [(0, 2, 3)]]
    """
    waiting: dict[TP, list[Parcel]] = {}
    for parcel in parcels:
        waiting.setdefault(parcel.tp, []).append(parcel)
    begins = dict.fromkeys(waiting, 0)
    while waiting:
        share, lot = max(batch // len(waiting), 1), []
        for tp in list(waiting):
            parcel, begin = waiting[tp][0], begins[tp]
            end = begins[tp] = min(begin + share, len(parcel.records))
            lot.append(Slice(parcel, begin, end))
            if end == len(parcel.records):
                begins[tp] = 0
                waiting[tp].pop(0)
                if not waiting[tp]:
                    del waiting[tp]
        yield lot
