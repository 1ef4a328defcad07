"""The rules as a Prometheus rule file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from api.alerts.rules import (
    Burn,
    Growth,
    Labels,
    Level,
    Mean,
    Past,
    Rule,
    Series,
    Share,
    Slow,
    names,
)

_HEAD: Final = "# Made from config/alerts.toml by `freshet config alerts`; change it there.\n"


def rule_file(rules: Iterable[Rule]) -> str:
    """YAML; every string in it is written as JSON, which YAML reads."""
    lines = [_HEAD + "groups:", "  - name: freshet", "    rules:"]
    for rule in rules:
        lines += [
            f"      - alert: {rule.name}",
            f"        expr: {json.dumps(expression(rule))}",
            *([f"        for: {rule.lasting}"] if rule.lasting else []),
            f"        labels: {{severity: {rule.severity}}}",
            f"        annotations: {{summary: {json.dumps(rule.summary)}}}",
        ]
    return "\n".join(lines) + "\n"


def expression(rule: Rule) -> str:  # noqa: PLR0911 - a kind each
    """The PromQL condition of a rule."""
    match rule:
        case Mean():
            mean = (
                f"{_rise(rule.of, '_sum', rule.window)} / {_rise(rule.of, '_count', rule.window)}"
            )
            return f"{mean} > {rule.above:g}{_enough(rule.of, '_count', rule)}"
        case Slow():
            share = _slow(rule.of, rule.le, rule.window)
            return f"{share} > {rule.share:g}{_enough(rule.of, '_count', rule)}"
        case Share():
            share = f"{_rise(rule.part, '', rule.window)} / {_rise(rule.of, '', rule.window)}"
            return f"{share} > {rule.above:g}{_enough(rule.of, '', rule)}"
        case Burn():
            limit = rule.factor * (1 - rule.objective)
            both = [f"{_bad(rule, window)} > {limit:g}" for window in (rule.long, rule.short)]
            return " and ".join(both) + _enough(rule.of, "_count", rule, rule.long)
        case Growth():
            return f"{_rise(rule.of, '', rule.window)} > {rule.above:g}"
        case Level():
            level = f"max({_named(rule.of, '')}) > {rule.above:g}"
            if rule.during is None:
                return level
            return f"{level} and {_rise(rule.during, '', rule.window)} > 0"
        case Past():
            gauge = _named(rule.of, "")
            past = f"avg_over_time({gauge}[{rule.window}])"
            return f"{gauge} < {rule.share:g} * {past}"


def _bad(rule: Burn, window: str) -> str:
    if rule.le is not None:
        return f"({_slow(rule.of, rule.le, window)})"
    bad = _rise(
        rule.of, "_count", window, {label: f"=~{json.dumps(p)}" for label, p in rule.bad.items()}
    )
    return f"({bad} or vector(0)) / {_rise(rule.of, '_count', window)}"


def _slow(series: Series, le: float, window: str) -> str:
    # Clients write the bound 1 as `1.0`, some servers as `1`.
    bound = "=~" + json.dumps(rf"{le:g}(\.0)?")
    within = _rise(series, "_bucket", window, {"le": bound})
    return f"1 - {within} / {_rise(series, '_count', window)}"


def _enough(series: Series, suffix: str, rule: Mean | Slow | Share | Burn, window: str = "") -> str:
    span = window or (rule.window if not isinstance(rule, Burn) else rule.long)
    return f" and {_rise(series, suffix, span)} >= {rule.at_least:g}"


def _rise(series: Series, suffix: str, window: str, more: Labels | None = None) -> str:
    return f"sum(increase({_named(series, suffix, more)}[{window}]))"


def _named(series: Series, suffix: str, more: Labels | None = None) -> str:
    wanted = [f"{label}=~{json.dumps(pattern)}" for label, pattern in sorted(series.where.items())]
    wanted += [
        f"{label}!~{json.dumps(pattern)}" for label, pattern in sorted(series.without.items())
    ]
    wanted += [label + condition for label, condition in (more or {}).items()]
    called = names(series.metric, suffix)
    if len(called) > 1:
        any_of = f"__name__=~{json.dumps('|'.join(called))}"
        return f"{{{', '.join([any_of, *wanted])}}}"
    return called[0] + (f"{{{', '.join(wanted)}}}" if wanted else "")
