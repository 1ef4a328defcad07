"""Content vectors: hashed tokens of the catalogue under a fixed projection by random signs.

A token's weight is its running idf, so no catalogue is needed in advance and a new item is
comparable the moment it is put. `v[d] = Σ idf(t)·sign(t, d)`, normalised.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.coarse import Coarse, coarse_of, coarse_products
from models.compiled import inner
from models.index import fingerprint
from models.settings import Content as Settings
from models.tables import Arena
from models.vectors import dot, mix, normalise

# Buckets of the document frequencies; two tokens that meet share an idf, no more.
_BUCKETS: Final = 1 << 16
# Tokens of one item that count; a novel in `description` must not stall the learner.
_TOKENS: Final = 256
_WORD: Final = re.compile(r"\w+")
# A category says more about taste than a word of the title.
_CATEGORY_COPIES: Final = 2


class Content(NamedTuple):
    """View: `vectors` is float32[items, dims], a row of zeros where there is no catalogue."""

    vectors: NDArray[np.float32]
    parameters: NDArray[np.float64]
    coarse: Coarse  # `vectors` once more, as scoring reads it


def declare(arena: Arena, settings: Settings) -> None:
    arena.add("content.vectors", np.float32, "items", settings.dims)
    arena.add("content.described", np.uint8, "items")
    arena.add("content.documents", np.int64, 1)
    arena.add("content.frequency", np.int32, _BUCKETS)


def view(arena: Arena, settings: Settings) -> Content:
    vectors = arena["content.vectors"]
    parameters = np.array([settings.length, settings.decay], np.float64)
    return Content(vectors, parameters, coarse_of(vectors))


def tokens(item: Mapping[str, Any]) -> list[str]:
    """Return the item's tokens, folded to lower case without accents, at most 256.

    >>> tokens({"title": "Café Olé", "categories": ["Té y café"], "attributes": {"year": 1995}})
    ['cafe', 'ole', 'category=te y cafe', 'category=te y cafe', 'te', 'y', 'cafe', 'year=1995']
    """
    return list(_tokens(item))[:_TOKENS]


def _tokens(item: Mapping[str, Any]) -> Iterator[str]:
    yield from _WORD.findall(_fold(item.get("title") or ""))
    for category in item.get("categories") or ():
        yield from [f"category={_fold(category)}"] * _CATEGORY_COPIES
        yield from _WORD.findall(_fold(category))
    for tag in item.get("tags") or ():
        yield f"tag={_fold(tag)}"
    for name, value in (item.get("attributes") or {}).items():
        yield f"{_fold(name)}={_fold(str(value))}"
    yield from _WORD.findall(_fold(item.get("description") or ""))


def _fold(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def describe(arena: Arena, row: int, item: Mapping[str, Any]) -> None:
    """Write the content vector of `row` from the catalogue's fields."""
    keys = np.array([fingerprint(token) for token in tokens(item)], np.uint64)
    first = not arena["content.described"][row]
    arena["content.described"][row] = 1
    _describe(
        keys, first, arena["content.documents"], arena["content.frequency"],
        arena["content.vectors"][row],
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _describe(
    keys: NDArray[np.uint64], first: bool, documents: NDArray[np.int64],
    frequency: NDArray[np.int32], out: NDArray[np.float32],
) -> None:  # fmt: skip
    if first:
        documents[0] += 1
        for at in range(keys.shape[0]):
            fresh = True
            for before in range(at):
                fresh = fresh and keys[before] != keys[at]
            if fresh:
                frequency[keys[at] % np.uint64(_BUCKETS)] += 1
    dims = out.shape[0]
    out[:] = 0.0
    for at in range(keys.shape[0]):
        seen = frequency[keys[at] % np.uint64(_BUCKETS)]
        idf = np.float32(math.log((1.0 + documents[0]) / (1.0 + seen)) + 0.1)
        for d in range(dims):
            bits = mix(keys[at] + np.uint64(d // 64) * np.uint64(0x9E3779B97F4A7C15))
            positive = (bits >> np.uint64(d % 64)) & np.uint64(1)
            out[d] += idf if positive else -idf
    norm = math.sqrt(dot(out, out, dims))
    if norm > 0.0:
        for d in range(dims):
            out[d] /= np.float32(norm)


@njit(cache=True, nogil=True)
def user(c: Content, history: NDArray[np.int32], length: int, out: NDArray[np.float32]) -> bool:
    """Write the decayed mean of the history's vectors (norm 1); False when there is none."""
    dims = c.vectors.shape[1]
    out[:dims] = 0.0
    factor = np.float32(1.0)
    for lag in range(min(int(c.parameters[0]), length)):
        if history[lag] >= 0:
            for d in range(dims):
                out[d] += factor * c.vectors[history[lag], d]
        factor *= np.float32(c.parameters[1])
    return normalise(out, dims) > 1e-9


@njit(cache=True, nogil=True)
def score(c: Content, x: NDArray[np.float32], out: NDArray[np.float32], items: int) -> None:
    """Cosine of `x` with every item (float32[items]) to 0.003 or so."""
    coarse_products(c.coarse, x, out, items)


@inner
def say(
    scores: NDArray[np.float32], candidates: NDArray[np.int32], count: int,
    out: NDArray[np.float32],
) -> None:  # fmt: skip
    """Write the cosines of `count` candidates (float32[count]), negative ones 0."""
    for at in range(count):
        out[at] = max(scores[candidates[at]], np.float32(0.0))
