"""What the metrics were a while ago, as far back as any rule looks; memory is bounded."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from prometheus_client import Metric

from api.alerts.rules import Labels, Series, names

#: Values kept of one series; where a rule looks back further than that many looks, they thin out.
_KEPT = 2_400
_COUNTED = ("_total", "_count", "_sum", "_bucket")


@dataclass(frozen=True)
class Wanted:
    """Samples to add up: their names, and regexes their labels must and must not match."""

    names: tuple[str, ...]
    where: tuple[tuple[str, str], ...] = ()
    without: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, series: Series, suffix: str = "", more: Labels | None = None) -> Wanted:
        where = {**series.where, **(more or {})}
        return cls(
            names(series.metric, suffix), tuple(sorted(where.items())),
            tuple(sorted(series.without.items())),
        )  # fmt: skip

    @property
    def counts(self) -> bool:
        """Whether this only ever grows: what nobody has counted yet stands at nought."""
        return self.names[0].endswith(_COUNTED)

    def takes(self, name: str, labels: dict[str, str]) -> bool:
        return (
            name in self.names
            and all(re.fullmatch(p, labels.get(label, "")) for label, p in self.where)
            and not any(re.fullmatch(p, labels.get(label, "")) for label, p in self.without)
        )


@dataclass
class _Kept:
    """One series: times and values, oldest first."""

    span_s: float
    times: deque[float] = field(default_factory=deque)
    values: deque[float] = field(default_factory=deque)

    def add(self, now: float, value: float) -> None:
        step = self.span_s / _KEPT
        # The newest value is always exact; the ones before it stand `step` apart.
        if len(self.times) > 1 and self.times[-1] - self.times[-2] < step:
            self.times.pop()
            self.values.pop()
        self.times.append(now)
        self.values.append(value)
        while len(self.times) > 2 and self.times[1] <= now - self.span_s:
            self.times.popleft()
            self.values.popleft()


class Samples:
    """Sums of samples over time. What counters stood at in the first look is not growth."""

    def __init__(self, spans: dict[Wanted, float]) -> None:
        self._kept = {wanted: _Kept(max(span, 1.0)) for wanted, span in spans.items()}
        self._largest: dict[Wanted, float | None] = {}

    def look(self, metrics: Iterable[Metric], now: float) -> None:
        """Take in what the metrics are at `now`, in seconds of any clock that never goes back."""
        sums: dict[Wanted, float] = {}
        largest: dict[Wanted, float | None] = dict.fromkeys(self._kept)
        for metric in metrics:
            for sample in metric.samples:
                for wanted in self._kept:
                    if wanted.takes(sample.name, sample.labels):
                        sums[wanted] = sums.get(wanted, 0.0) + sample.value
                        most = largest[wanted]
                        largest[wanted] = sample.value if most is None else max(most, sample.value)
        for wanted, kept in self._kept.items():
            if wanted in sums or wanted.counts:
                kept.add(now, sums.get(wanted, 0.0))
        self._largest = largest

    def rise(self, wanted: Wanted, span_s: float) -> float:
        """By how much the sum has grown within the newest `span_s` seconds."""
        kept = self._kept[wanted]
        if not kept.times:
            return 0.0
        at = bisect_right(list(kept.times), kept.times[-1] - span_s) - 1
        return kept.values[-1] - kept.values[max(at, 0)]

    def largest(self, wanted: Wanted) -> float | None:
        """The largest of the samples now, None where there is none."""
        return self._largest.get(wanted)

    def mean(self, wanted: Wanted, span_s: float) -> float | None:
        """The mean over the newest `span_s` seconds, None where there is nothing."""
        kept = self._kept[wanted]
        values = [
            value
            for time, value in zip(kept.times, kept.values, strict=True)
            if time >= kept.times[-1] - span_s
        ]
        return sum(values) / len(values) if values else None
