"""Alert rules, typed; a rule that cannot be parsed is refused, and the message says where."""

from __future__ import annotations

import re
import tomllib
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct, field

from api.errors import ApiError

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}

#: A length of time as Prometheus writes it: `5m`, `6h`, `7d`.
Span = Annotated[str, Meta(pattern=r"^[1-9][0-9]*[smhd]$")]
Labels = dict[str, str]


def names(metric: str, suffix: str = "") -> tuple[str, ...]:
    """
    >>> names("freshet_a|freshet_b", "_sum")
    ('freshet_a_sum', 'freshet_b_sum')
    """
    return tuple(name + suffix for name in metric.split("|"))


class RulesInvalid(ApiError):
    """A file of rules holds a mistake."""


class Series(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Samples of a metric, or of several, as `a|b`: what is called otherwise in a worker.

    Labels must match `where` and must not match `without`, both regular expressions.
    """

    metric: Annotated[str, Meta(pattern=r"^freshet_[a-z0-9_]+(\|freshet_[a-z0-9_]+)*$")]
    where: Labels = {}
    without: Labels = {}


class _Rule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """What all rules have. It fires when its condition has held for `lasting`."""

    name: Annotated[str, Meta(pattern=r"^[A-Z][A-Za-z0-9]+$")]
    severity: Literal["warning", "critical"]
    summary: str
    lasting: Span | None = None


class Mean(_Rule, frozen=True, tag="mean"):
    """The mean of a histogram over `window` is above `above`."""

    of: Series
    window: Span
    above: float
    at_least: float = 1.0  # observations; fewer page nobody


class Slow(_Rule, frozen=True, tag="slow"):
    """More than `share` of a histogram's observations over `window` are above the bound `le`."""

    of: Series
    window: Span
    le: float
    share: Annotated[float, Meta(ge=0, lt=1)]
    at_least: float = 1.0


class Share(_Rule, frozen=True, tag="share"):
    """Of what a counter grew by over `window`, more than `above` is also in `part`."""

    part: Series
    of: Series
    window: Span
    above: Annotated[float, Meta(ge=0, lt=1)]
    at_least: float = 1.0


class Burn(_Rule, frozen=True, tag="burn"):
    """The error budget is used up `factor` times too fast, over a `long` and a `short` window.

    Bad is what a histogram's `bad` selects or, with `le`, what took longer. Multi-window,
    multi-burn-rate alerts of the SRE Workbook, chapter 5.
    """

    of: Series
    objective: Annotated[float, Meta(gt=0, lt=1)]
    factor: Annotated[float, Meta(gt=0)]
    long: Span
    short: Span
    bad: Labels = {}
    le: float | None = None
    at_least: float = 1.0


class Growth(_Rule, frozen=True, tag="growth"):
    """A counter grew by more than `above` over `window`."""

    of: Series
    window: Span
    above: float


class Level(_Rule, frozen=True, tag="level"):
    """The largest of some gauges is above `above`, while `during`, if given, grew over `window`."""

    of: Series
    above: float
    during: Series | None = None
    window: Span = "5m"


class Past(_Rule, frozen=True, tag="past"):
    """A gauge is below `share` of its own mean over `window`."""

    of: Series
    share: Annotated[float, Meta(gt=0, lt=1)]
    window: Span


Rule = Mean | Slow | Share | Burn | Growth | Level | Past


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    alert: list[Rule] = field(default_factory=list)


def parse(text: str) -> list[Rule]:
    """The rules of a TOML text. Raises RulesInvalid naming the line, or the rule and its field."""
    try:
        rules = msgspec.convert(tomllib.loads(text), _File).alert
    except tomllib.TOMLDecodeError as error:
        raise RulesInvalid(str(error)) from None
    except msgspec.ValidationError as error:
        raise RulesInvalid(_placed(str(error), text)) from None
    called = [rule.name for rule in rules]
    for rule in rules:
        if called.count(rule.name) > 1:
            raise RulesInvalid(f"two rules are called {rule.name}")
        for labels in _labels_of(rule):
            _require_regexes(rule.name, labels)
    return rules


def seconds(span: str) -> float:
    """
    >>> seconds("5m"), seconds("7d")
    (300.0, 604800.0)
    """
    return float(span[:-1]) * _UNITS[span[-1]]


def _labels_of(rule: Rule) -> list[Labels]:
    series = [value for value in msgspec.structs.asdict(rule).values() if isinstance(value, Series)]
    found = [labels for one in series for labels in (one.where, one.without)]
    return [*found, rule.bad] if isinstance(rule, Burn) else found


def _require_regexes(name: str, labels: Labels) -> None:
    for label, pattern in labels.items():
        try:
            re.compile(pattern)
        except re.error as error:
            raise RulesInvalid(f"{name}: {label} is no regular expression: {error}") from None


def _placed(message: str, text: str) -> str:
    """`… - at `$.alert[2].le`` in words: the rule by number, name and line."""
    match = re.match(r"(.*) - at `\$\.alert\[(\d+)\]\.?([^`]*)`$", message)
    if match is None:
        return message
    what, number, key = match[1], int(match[2]), match[3]
    starts = [n for n, line in enumerate(text.splitlines(), 1) if line.strip() == "[[alert]]"]
    where = f"rule {number + 1}" + (f" (line {starts[number]})" if number < len(starts) else "")
    return f"{where}{', ' + key if key else ''}: {what.replace('`', '')}"
