"""Every detector finds a shift soon, leaves a quiet stream alone, and outlives a NaN."""

import math
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import pytest

from models.drift import DETECTORS, QUALITY, Drifts, Guarded
from models.drift_windows import BINS, JS, KS, LARGE, NOTHING, SLIGHT, declare, push, view
from models.errors import StateMismatch
from models.settings import Drift
from models.tables import Arena

#: A shift must show within so many samples.
SOON: Final = 200

Update = Callable[[float], bool]


def window(name: str) -> Callable[[float], int]:
    """The update of a new window, at the default's `least_distance`."""
    arena = Arena()
    declare(arena, 1)
    windows = view(arena, [KS if name == "ks" else JS], [0])
    windows.least[:] = Drift().least_distance
    return lambda x: int(push(windows, 0, x * BINS))


def detector(name: str) -> Update:
    """The update of a new detector; it tells whether the value shows a drift."""
    if name in ("adwin", "page_hinkley"):
        return Guarded(name).update
    update = window(name)
    return lambda x: update(x) != NOTHING


def coins(chance: float, count: int, seed: int) -> Iterator[float]:
    drawn = np.random.default_rng(seed).random(count) < chance
    yield from drawn.astype(float).tolist()


def found_after(update: Update, seed: int, before: int = 2_000) -> int | None:
    for x in coins(0.5, before, seed):
        assert not update(x), "nothing has changed yet"
    for number, x in enumerate(coins(0.9, 1_000, seed + 1_000), 1):
        if update(x):
            return number
    return None


@pytest.mark.parametrize("name", DETECTORS)
def test_a_shift_is_found_within_200_samples(name: str) -> None:
    for seed in range(12):
        after = found_after(detector(name), seed)
        assert after is not None and after <= SOON, (name, seed, after)


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("chance", [0.5, 0.25])
def test_a_quiet_stream_raises_one_alarm_in_100_000_at_most(name: str, chance: float) -> None:
    update = detector(name)
    assert sum(update(x) for x in coins(chance, 100_000, seed=7)) <= 1


@pytest.mark.parametrize("name", ["ks", "js"])
def test_windows_leave_values_of_all_sizes_alone(name: str) -> None:
    update = detector(name)
    random = np.random.default_rng(3)
    for values in (random.random(50_000), random.beta(0.5, 4.0, 50_000)):
        assert sum(map(update, values.tolist())) <= 1, "the change between them at most"


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_blinds_nobody(name: str, poison: float) -> None:
    update = detector(name)
    assert not update(poison)

    def poisoned(x: float) -> bool:
        return update(poison) or update(x)

    after = found_after(poisoned, seed=5)
    assert after is not None and after <= SOON


def found(name: str, *parts: Iterator[float]) -> list[int]:
    """What a window told of these samples, one after the other."""
    update = window(name)
    told = [update(x) for part in parts for x in part]
    return [one for one in told if one != NOTHING]


@pytest.mark.parametrize("name", ["ks", "js"])
def test_a_change_that_lasts_is_one_drift_of_its_size(name: str) -> None:
    for seed in range(6):
        before = coins(0.5, 2_000, seed)
        assert found(name, before, coins(0.95, 6_000, seed + 50)) == [LARGE]
        before = coins(0.5, 2_000, seed)
        assert found(name, before, coins(0.73, 6_000, seed + 50)) in ([SLIGHT], [LARGE])
    slight = [
        one
        for seed in range(20)
        for one in found(name, coins(0.5, 2_000, seed), coins(0.72, 3_000, seed + 50))
    ]
    assert slight.count(SLIGHT) > slight.count(LARGE)


@pytest.mark.parametrize("name", ["ks", "js"])
def test_what_has_passed_before_it_grew_is_no_drift(name: str) -> None:
    quiet, burst = coins(0.5, 2_000, 3), iter([1.0] * 70)
    assert found(name, quiet, burst, coins(0.5, 3_000, 4)) == []


@pytest.mark.parametrize(
    ("signal", "chance", "effect"),
    [
        ("hit_rate", 0.9, "better"), ("hit_rate", 0.1, "worse"),
        ("rating_error", 0.9, "worse"), ("rating_error", 0.1, "better"),
    ],
)  # fmt: skip
def test_a_drift_of_quality_tells_its_direction(signal: str, chance: float, effect: str) -> None:
    assert signal in QUALITY
    drifts = Drifts(Arena())
    values = np.array([*coins(0.5, 2_000, 8), *coins(chance, 400, 9)])
    told = drifts.watch(signal, np.arange(len(values)), values, Drift().least_loss)
    assert {one.detector for one in told} == {"adwin", "page_hinkley"}
    assert {one.effect for one in told} == {effect}
    assert all(0.1 < one.size < 0.4 and 2_000 < one.at < 2_200 for one in told)


def test_a_small_fall_is_slight() -> None:
    drifts = Drifts(Arena())
    values = np.array([*coins(0.95, 6_000, 1), *coins(0.9, 3_000, 2)])
    told = drifts.watch("hit_rate", np.arange(len(values)), values, 0.3)
    assert [one.effect for one in told if one.at > 6_000] == ["slight"]


@pytest.mark.parametrize("name", ["adwin", "page_hinkley"])
def test_a_restored_detector_goes_on_the_same(name: str) -> None:
    first = Guarded(name)
    for x in coins(0.5, 3_000, seed=2):
        first.update(x)
    first.update(math.nan)
    again = Guarded(name)
    again.become(first.state())
    assert again.state() == first.state()
    for x in coins(0.9, 500, seed=3):
        assert first.update(x) == again.update(x)
    assert again.state() == first.state()


def test_a_state_of_another_making_is_refused() -> None:
    with pytest.raises(StateMismatch, match="drift detectors"):
        Guarded("adwin").become([1, 2])
