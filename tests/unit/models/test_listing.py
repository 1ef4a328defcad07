"""The shortcuts of ranking against what they stand for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from models.byte_sums import BLOCK, MOST_ASKED, QUAD, has_vnni, sums_by
from models.coarse import coarse_of, coarse_products, place_coarse
from models.features import NAMES, SOURCES, of_items, of_source
from models.listing import COUNTED, list_best, list_counted, list_touched


@njit(nogil=True)
def best(
    scores: NDArray[np.float32], masked: NDArray[np.uint8], listed: NDArray[np.int32], most: int
) -> int:
    return int(list_best(scores, masked, listed, most, scores.shape[0]))


@njit(nogil=True)
def best_touched(
    scores: NDArray[np.float32], touched: NDArray[np.int32], masked: NDArray[np.uint8],
    listed: NDArray[np.int32], most: int,
) -> int:  # fmt: skip
    return int(list_touched(scores, touched, touched.shape[0], masked, listed, most))


@njit(nogil=True)
def best_counted(
    counts: NDArray[np.float64], tops: NDArray[np.float64], share: float,
    masked: NDArray[np.uint8], listed: NDArray[np.int32], most: int,
) -> int:  # fmt: skip
    return int(list_counted(counts, tops, share, masked, listed, most, counts.shape[0]))


def sorted_rows(scores: NDArray[np.float32], masked: NDArray[np.uint8], most: int) -> list[int]:
    order = np.argsort(-scores, kind="stable").tolist()
    return [row for row in order if scores[row] > 0 and not masked[row]][:most]


def same_as_sorted(scores: NDArray[np.float32], masked: NDArray[np.uint8], most: int) -> bool:
    listed = np.full(100, -1, np.int32)
    count = best(scores, masked, listed, most)
    return listed[:count].tolist() == sorted_rows(scores, masked, most)


@pytest.mark.parametrize("items", [1, 7, 60, 300, 1_682, 10_001])
def test_the_best_are_those_of_a_sort_and_ties_keep_the_order_of_rows(items: int) -> None:
    random = np.random.default_rng(items)
    masked = (random.random(items) < 0.1).astype(np.uint8)
    for scores in (
        random.random(items), random.random(items) ** 8, np.round(random.random(items), 1),
        np.zeros(items), random.random(items) - 0.99, np.arange(items), np.arange(items)[::-1],
    ):  # fmt: skip
        for most in (1, 10, 60, 100):
            assert same_as_sorted(scores.astype(np.float32), masked, most)


def test_nothing_is_listed_where_all_is_masked() -> None:
    assert same_as_sorted(np.ones(500, np.float32), np.ones(500, np.uint8), 60)


@pytest.mark.parametrize("items", [1, 90, 700, 9_000])
def test_the_best_of_what_is_touched_are_those_of_a_sort(items: int) -> None:
    random = np.random.default_rng(items)
    masked = (random.random(items) < 0.1).astype(np.uint8)
    rows = random.permutation(items)[: items // 2 + 1].astype(np.int32)
    for drawn in (random.random(items), np.round(random.random(items), 1), np.zeros(items)):
        scores = np.zeros(items, np.float32)
        scores[rows] = drawn[rows]
        for most in (1, 60, 100):
            listed = np.full(100, -1, np.int32)
            count = best_touched(scores[rows], rows, masked, listed, most)
            assert listed[:count].tolist() == sorted_rows(scores, masked, most)


@pytest.mark.parametrize("items", [1, 64, 1_682, 20_001])
@pytest.mark.parametrize("hidden", [0.0, 0.1, 0.97, 1.0])
def test_the_largest_counts_are_those_of_a_sort(items: int, hidden: float) -> None:
    random = np.random.default_rng(items)
    masked = (random.random(items) < hidden).astype(np.uint8)
    drawn: list[NDArray[np.float64]] = [
        random.random(items), random.pareto(0.8, items), np.round(random.random(items), 1),
        np.zeros(items), np.linspace(0.0, items - 1.0, items), 1.0 + random.random(items) * 1e-8,
    ]  # fmt: skip
    for counts in drawn:
        tops = np.maximum.reduceat(counts, np.arange(0, items, COUNTED))
        share = 1.0 / counts.max() if counts.max() > 0.0 else 0.0
        for most in (1, 60, 100):
            listed = np.full(100, -1, np.int32)
            count = best_counted(counts, tops, share, masked, listed, most)
            scores = (counts * share).astype(np.float32)
            assert listed[:count].tolist() == sorted_rows(scores, masked, most)


@pytest.mark.parametrize("fast", [False, *([True] if has_vnni() else [])])
@pytest.mark.parametrize("dims", [16, 128])
def test_sums_of_bytes_are_those_of_a_product(fast: bool, dims: int) -> None:
    kernel = sums_by(fast)

    @njit(nogil=True)
    def summed(block: NDArray[np.uint8], asked: NDArray[np.int8], out: NDArray[np.int32]) -> None:
        kernel(block, asked, out)

    random = np.random.default_rng(dims)
    for block in (
        random.integers(0, 256, (dims // QUAD, BLOCK, QUAD)),
        np.full((dims // QUAD, BLOCK, QUAD), 255),
    ):
        for asked in (
            random.integers(-MOST_ASKED, MOST_ASKED + 1, dims),
            np.full(dims, MOST_ASKED), np.full(dims, -MOST_ASKED),
        ):  # fmt: skip
            out = np.zeros(BLOCK, np.int32)
            summed(block.astype(np.uint8), asked.astype(np.int8), out)
            assert out.tolist() == (block.transpose(1, 0, 2).reshape(BLOCK, dims) @ asked).tolist()


@pytest.mark.parametrize("dims", [16, 64, 128])
def test_rounded_vectors_give_nearly_the_same_products(dims: int) -> None:
    random = np.random.default_rng(dims)
    rows = random.normal(size=(700, dims)).astype(np.float32)
    rows[3] = 0.0
    rows[5] *= 100.0
    coarse, out = coarse_of(rows), np.zeros(700, np.float32)
    rows[7] = rows[8]
    place_coarse(coarse, 7, rows[7])
    x = random.normal(size=dims).astype(np.float32)
    coarse_products(coarse, x, out, 700)
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(x)
    assert (np.abs(out - rows @ x) <= 0.02 * lengths).all()
    assert out[3] == 0.0
    assert out[7] == out[8]
    coarse_products(coarse, np.zeros(dims, np.float32), out, 700)
    assert not out.any()


def test_the_largest_vectors_do_not_overflow() -> None:
    rows = np.ones((300, 128), np.float32)
    out = np.zeros(300, np.float32)
    coarse_products(coarse_of(rows), -np.ones(128, np.float32), out, 300)
    assert out == pytest.approx(np.full(300, -128.0), rel=1e-5)


def test_features_are_logs_of_scores_ranks_and_the_items_own() -> None:
    scores = np.array([0.0, 1e-4, 0.37, 1.0, 1e-9], np.float32)
    rows, ranks = np.arange(5, dtype=np.int32), np.array([-1, 99, 3, 0, -1], np.int32)
    out = np.full((len(NAMES), 8), np.nan, np.float32)
    out[3, :5] = scores
    of_source(ranks, 5, out, 1)
    assert out[3, :5].tolist() == scores.tolist()
    logs = [math.log(max(float(s), 1e-4)) / math.log(1e4) + 1.0 for s in scores]
    assert out[4, :5] == pytest.approx(logs, abs=1e-6)
    assert out[5, [0, 3, 4]].tolist() == [0.0, 1.0, 0.0]
    assert 0.0 < out[5, 1] < out[5, 2] < 1.0
    total, born = np.array([0.0, 1.0, 99.0, 1e6, 0.0]), np.array([1e9, 0.0, 5.0, 2e9, 1e9])
    of_items(total, born, born, rows, 5, 1e9, out)
    at = 3 * len(SOURCES)
    assert out[at, :5] == pytest.approx(np.log1p(total) * 0.1, rel=1e-5, abs=1e-7)
    ages = np.log1p(np.maximum(1e9 - born, 0.0)) * 0.05
    assert out[at + 1, :5] == pytest.approx(ages, rel=1e-5, abs=1e-7)
