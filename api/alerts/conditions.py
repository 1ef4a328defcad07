"""Whether a rule's condition holds, from samples kept in this process. Mirrors `promql`."""

from __future__ import annotations

from collections.abc import Iterable

from api.alerts.rules import (
    Burn,
    Growth,
    Level,
    Mean,
    Past,
    Rule,
    Series,
    Share,
    Slow,
    seconds,
)
from api.alerts.samples import Samples, Wanted


def wanted_by(rules: Iterable[Rule]) -> dict[Wanted, float]:
    """Every series the rules look at, and how far back in seconds."""
    spans: dict[Wanted, float] = {}
    for rule in rules:
        for wanted, span in _needs(rule):
            spans[wanted] = max(spans.get(wanted, 0.0), span)
    return spans


def value_of(rule: Rule, samples: Samples) -> float | None:  # noqa: PLR0911 - a kind each
    """What the rule is about, as it is now; None where too little is known to say."""
    match rule:
        case Mean():
            count = samples.rise(_count(rule.of), seconds(rule.window))
            total = samples.rise(Wanted.of(rule.of, "_sum"), seconds(rule.window))
            return total / count if count >= max(rule.at_least, 1) else None
        case Slow():
            return _slow(samples, rule.of, rule.le, seconds(rule.window), rule.at_least)
        case Share():
            whole = samples.rise(Wanted.of(rule.of), seconds(rule.window))
            part = samples.rise(Wanted.of(rule.part), seconds(rule.window))
            return part / whole if whole >= max(rule.at_least, 1) else None
        case Burn():
            shares = [_bad(samples, rule, span) for span in (rule.long, rule.short)]
            known = [share for share in shares if share is not None]
            return min(known) / (1 - rule.objective) if len(known) == 2 else None
        case Growth():
            return samples.rise(Wanted.of(rule.of), seconds(rule.window))
        case Level():
            if rule.during and samples.rise(Wanted.of(rule.during), seconds(rule.window)) <= 0:
                return None
            return samples.largest(Wanted.of(rule.of))
        case Past():
            now = samples.largest(Wanted.of(rule.of))
            past = samples.mean(Wanted.of(rule.of), seconds(rule.window))
            return now / past if now is not None and past else None


def holds(rule: Rule, value: float | None) -> bool:
    """Whether the value is beyond what the rule allows."""
    if value is None:
        return False
    match rule:
        case Slow():
            return value > rule.share
        case Burn():
            return value > rule.factor
        case Past():
            return value < rule.share
        case _:
            return value > rule.above


def _needs(rule: Rule) -> list[tuple[Wanted, float]]:
    match rule:
        case Mean():
            sums = [_count(rule.of), Wanted.of(rule.of, "_sum")]
            return [(wanted, seconds(rule.window)) for wanted in sums]
        case Slow():
            both = [_count(rule.of), _within(rule.of, rule.le)]
            return [(wanted, seconds(rule.window)) for wanted in both]
        case Share():
            both = [Wanted.of(rule.of), Wanted.of(rule.part)]
            return [(wanted, seconds(rule.window)) for wanted in both]
        case Burn():
            both = [_count(rule.of), _worse(rule)]
            return [(wanted, seconds(rule.long)) for wanted in both]
        case Growth() | Past():
            return [(Wanted.of(rule.of), seconds(rule.window))]
        case Level():
            during = [(Wanted.of(rule.during), seconds(rule.window))] if rule.during else []
            return [(Wanted.of(rule.of), 0.0), *during]


def _count(series: Series) -> Wanted:
    return Wanted.of(series, "_count")


def _within(series: Series, le: float) -> Wanted:
    return Wanted.of(series, "_bucket", {"le": rf"{le:g}(\.0)?"})


def _worse(rule: Burn) -> Wanted:
    """What a burn rule counts beside all: those within the bound, or the bad ones."""
    if rule.le is not None:
        return _within(rule.of, rule.le)
    return Wanted.of(rule.of, "_count", rule.bad)


def _slow(
    samples: Samples, series: Series, le: float, span_s: float, at_least: float
) -> float | None:
    count = samples.rise(_count(series), span_s)
    if count < max(at_least, 1):
        return None
    return 1 - samples.rise(_within(series, le), span_s) / count


def _bad(samples: Samples, rule: Burn, span: str) -> float | None:
    enough = rule.at_least if span == rule.long else 1.0
    if rule.le is not None:
        return _slow(samples, rule.of, rule.le, seconds(span), enough)
    count = samples.rise(_count(rule.of), seconds(span))
    if count < max(enough, 1):
        return None
    return samples.rise(_worse(rule), seconds(span)) / count
