"""Every alert fires and recovers, for Prometheus and in the process, from one set of stories."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.samples import Sample

from api.alerts.promql import rule_file
from api.alerts.rules import Rule, RulesInvalid, parse
from api.alerts.watcher import Change, Watch, Watcher
from api.alerts.webhook import SIGNATURE, Webhook, signature
from config.alerts import shipped
from tests.conftest import missing

REQUEST = "freshet_request_duration_seconds"
STEP_S = 60


@dataclass(frozen=True)
class Story:
    """Series by the minute, in promtool's notation, and when the alert fires and is over."""

    alert: str
    series: dict[str, str]
    fires_at: int
    over_at: int | None = None
    also: set[str] = field(default_factory=set)


def requests(count: str, total: str, **within: str) -> dict[str, str]:
    """A histogram: its count, its sum, and its buckets by bound, `_` standing for a point."""
    route = 'route="/v1/events",status_class="2xx"'
    found = {f"{REQUEST}_count{{{route}}}": count, f"{REQUEST}_sum{{{route}}}": total}
    for bound, values in within.items():
        le = bound.removeprefix("le").replace("_", ".")
        found[f'{REQUEST}_bucket{{le="{le}",{route}}}'] = values
    return found


def level(name: str, quiet: int = 20, bad: str = "100") -> dict[str, str]:
    return {name: f"0x{quiet} {bad}x20 0x60"}


STORIES = [
    Story("RequestsSlowOnAverage", requests("0+60x120", "0+6x20 120+60x20 1320+6x80"), 26, 50),
    Story(
        "RequestsVerySlow",
        requests("0+60x120", "0+6x120", le1_5="0+60x20 1200+50x20 2200+60x80"), 26, 50,
    ),
    Story(
        "AvailabilityBurnsFast",
        {
            f'{REQUEST}_count{{route="/v1/events",status_class="2xx"}}': "0+60x400",
            f'{REQUEST}_count{{route="/v1/events",status_class="5xx"}}': "0x60 0+6x20 120x320",
        },
        80, 100,
    ),
    Story(
        "AvailabilityBurnsSlowly",
        {
            f'{REQUEST}_count{{route="/v1/events",status_class="2xx"}}': "0+60x900",
            f'{REQUEST}_count{{route="/v1/events",status_class="5xx"}}': "0x400 0+3x100 300x400",
        },
        500, 560,
    ),
    Story(
        "LatencyBurnsFast",
        requests("0+60x400", "0+6x400", le0_3="0+60x60 3600+40x20 4400+60x320"), 80, 100,
    ),
    Story(
        "LatencyBurnsSlowly",
        requests("0+60x900", "0+6x900", le0_3="0+60x400 24000+54x100 29400+60x400"), 500, 560,
    ),
    Story(
        "NotFresh",
        {
            "freshet_canary_seconds_count": "0+12x120",
            "freshet_canary_seconds_sum": "0+1x120",
            'freshet_canary_seconds_bucket{le="1.0"}': "0+12x20 240+10x20 440+12x80",
        },
        30, 60,
    ),
    Story(
        "ModelStale",
        {
            **level("freshet_model_age_seconds"),
            'freshet_events_total{result="accepted"}': "0+10x200",
        },
        23, 45,
    ),
    Story("Lagging", level('freshet_lag_seconds{partition="0"}'), 23, 45),
    Story(
        "DeadLetters",
        {
            "freshet_applied_total": "0+60x120",
            'freshet_worker_applied_total{partition="1"}': "0+60x120",
            'freshet_worker_dead_letters_total{partition="1"}': "0x20 0+20x20 400x80",
        },
        30, 60,
    ),
    Story(
        "Degraded",
        {
            'freshet_responses_total{served_by="personal",degraded="false"}': "0+60x120",
            'freshet_responses_total{served_by="trending",degraded="true"}': "0x20 0+20x20 400x80",
        },
        26, 50,
    ),
    Story(
        "Drift",
        {
            'freshet_drifts_total{effect="worse"}': "0x20 0+1x1 1x140",
            'freshet_drifts_total{effect="better"}': "0+1x161",  # alone, it would never end
            'freshet_drifts_total{effect="slight"}': "0+1x161",
        },
        25, 100,
    ),
    Story(
        "QualityBelowItsWeek",
        {'freshet_quality{metric="hr@10",window="1000",slice="all"}': "0.2x300 0.1x60 0.2x200"},
        340, 380,
    ),
    Story("SnapshotOld", level("freshet_snapshot_age_seconds", bad="1000"), 23, 45),
]  # fmt: skip


@pytest.fixture(scope="module")
def rules() -> list[Rule]:
    return parse(shipped())


def test_there_is_a_story_for_every_alert(rules: list[Rule]) -> None:
    assert [story.alert for story in STORIES] == [rule.name for rule in rules]


def test_the_file_for_prometheus_is_the_one_made_from_the_rules(rules: list[Rule]) -> None:
    made = (files("config") / "prometheus" / "alerts.yml").read_text("utf-8")
    assert made == rule_file(rules), "run `freshet config alerts > config/prometheus/alerts.yml`"


def test_prometheus_fires_every_alert_and_lets_it_go(rules: list[Rule], tmp_path: Path) -> None:
    if not shutil.which("promtool"):
        missing("promtool is not installed (Debian's package prometheus)")
    (tmp_path / "alerts.yml").write_text(rule_file(rules))
    cases = [_case(story, rules) for story in STORIES]
    told = {"rule_files": ["alerts.yml"], "evaluation_interval": "1m", "tests": cases}
    (tmp_path / "test.yml").write_text(json.dumps(told))  # JSON is YAML
    done = subprocess.run(
        ["promtool", "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _case(story: Story, rules: list[Rule]) -> dict[str, object]:
    rule = next(rule for rule in rules if rule.name == story.alert)
    series = [{"series": name, "values": values} for name, values in story.series.items()]
    labels: dict[str, str] = {"severity": rule.severity}
    if story.alert == "QualityBelowItsWeek":
        labels |= {"metric": "hr@10", "window": "1000", "slice": "all"}
    firing = [{"exp_labels": labels, "exp_annotations": {"summary": rule.summary}}]
    times = [(10, []), (story.fires_at, firing), (story.over_at, [])]
    wanted = [
        {"eval_time": f"{at}m", "alertname": story.alert, "exp_alerts": alerts}
        for at, alerts in times
        if at is not None
    ]
    return {"interval": "1m", "input_series": series, "alert_rule_test": wanted}


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.alert)
def test_the_process_fires_every_alert_and_lets_it_go(story: Story, rules: list[Rule]) -> None:
    rule = next(rule for rule in rules if rule.name == story.alert)
    told: list[Change] = []
    minutes = {name: _values(values) for name, values in story.series.items()}
    at = 0

    def collect() -> list[Metric]:
        return [_metric(name, values[min(at, len(values) - 1)]) for name, values in minutes.items()]

    watcher = Watcher(Watch([rule], [told.append]), collect)
    states = []
    for at in range((story.over_at or story.fires_at) + 1):
        watcher.look(at * STEP_S, 1e9 + at * STEP_S)
        states.append(watcher.alerts()[0].state)
    assert states[10] == "inactive"
    assert states[story.fires_at] == "firing"
    assert states[-1] == "inactive"
    assert [change.state for change in told] == ["firing", "resolved"]
    assert (told[0].name, told[0].severity) == (rule.name, rule.severity)


def _values(text: str) -> list[float]:
    """promtool's notation: `0x3` is four noughts, `1+2x2` is 1 3 5."""
    found: list[float] = []
    for part in text.split():
        value, _, count = part.partition("x")
        start, _, step = value.partition("+")
        found += [float(start) + float(step or 0) * n for n in range(int(count) + 1)]
    return found


def _metric(name: str, value: float) -> Metric:
    bare, _, rest = name.rstrip("}").partition("{")
    pairs = [label.split("=", 1) for label in rest.split(",") if label]
    metric = Metric(bare, "", "untyped")
    metric.samples.append(Sample(bare, {key: text.strip('"') for key, text in pairs}, value))
    return metric


@pytest.mark.parametrize("slow", [1, 19])
def test_one_slow_request_at_night_pages_nobody(rules: list[Rule], slow: int) -> None:
    count = 0

    def collect() -> list[Metric]:
        label = '{route="/v1/events"}'
        names = {f"{REQUEST}_count{label}": count, f"{REQUEST}_sum{label}": 10.0 * count}
        return [_metric(name, float(value)) for name, value in names.items()]

    watcher = Watcher(Watch(rules), collect)
    for at in range(30):
        count = slow if at >= 15 else 0
        watcher.look(at * STEP_S, 0.0)
        assert {watched.state for watched in watcher.alerts()} == {"inactive"}


def test_the_first_error_of_a_process_counts(rules: list[Rule]) -> None:
    """A label that appears later has grown from nought; what was there at first has not grown."""
    errors = 0
    good, bad = ('route="/v1/events",status_class="2xx"', 'route="/v1/events",status_class="5xx"')
    at = 0

    def collect() -> list[Metric]:
        found = [_metric(f"{REQUEST}_count{{{good}}}", 1_000.0 + 60 * at)]
        return [*found, _metric(f"{REQUEST}_count{{{bad}}}", errors)] if errors else found

    watcher = Watcher(
        Watch([rule for rule in rules if rule.name == "AvailabilityBurnsFast"]), collect
    )
    for at in range(20):
        errors = 60 if at >= 15 else 0
        watcher.look(at * STEP_S, 0.0)
        assert (watcher.alerts()[0].state == "firing") is (at >= 15)


RULE = """
[[alert]]
name = "Aa"
kind = "growth"
severity = "warning"
summary = "s"
of = { metric = "freshet_x" }
window = "5m"
above = 1
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('window = "5m"', 'window = "5 minutes"', "rule 2 (line 11), window: "),
        ("above = 1", "", "rule 2 (line 11): Object missing required field above"),
        ('kind = "growth"', 'kind = "grow"', "rule 2 (line 11), kind: "),
        ("above = 1", "above = 1\nbelow = 2", "unknown field below"),
        ('"freshet_x"', '"x"', "rule 2 (line 11), of.metric"),
        ("above = 1", "above = ", "line 18"),
        ('name = "Aa"', 'name = "Bb"', "two rules are called Bb"),
        ('"freshet_x" }', '"freshet_x", where = { a = "(" } }', "Aa: a is no regular expression"),
    ],
)
def test_a_rule_that_cannot_be_parsed_says_where(old: str, new: str, said: str) -> None:
    with pytest.raises(RulesInvalid) as caught:
        parse(RULE.replace('"Aa"', '"Bb"') + RULE.replace(old, new))
    assert said in str(caught.value)


@pytest.fixture
def posted() -> Iterator[tuple[list[httpx.Request], httpx.MockTransport]]:
    """What a webhook got, which fails twice before it takes anything."""
    taken: list[httpx.Request] = []
    tries = iter([500, None])

    def answer(request: httpx.Request) -> httpx.Response:
        status = next(tries, 200)
        if status is None:
            raise httpx.ConnectError("away")
        if status == 200:
            taken.append(request)
        return httpx.Response(status)

    yield taken, httpx.MockTransport(answer)


def test_a_webhook_is_told_again_until_it_takes_it_and_can_check_who_tells(
    posted: tuple[list[httpx.Request], httpx.MockTransport],
) -> None:
    taken, transport = posted
    webhook = Webhook("http://pager.example/", b"secret", first_wait_s=0.0, transport=transport)
    webhook.tell(Change("Drift", "warning", "It drifts", "firing", 1.0, 1e9))
    waiting = threading.Event()
    while not taken:
        waiting.wait(0.005)
    [request] = taken
    assert json.loads(request.content)["name"] == "Drift"
    sent = request.headers[SIGNATURE]
    at = int(sent.split(",")[0].removeprefix("t="))
    assert sent == signature(b"secret", request.content, at)
