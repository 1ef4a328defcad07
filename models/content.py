"""Content vectors: hashed tokens of the catalogue under a fixed projection by random signs.

A token's weight is its running idf, so no catalogue is needed in advance and a new item is
comparable the moment it is put. `v[d] = Σ idf(t)·sign(t, d)`, normalised. Where words are read as
sentences, only categories, tags and attributes are hashed, and `sentences` has its half.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.coarse import Coarse, coarse_of, coarse_products
from models.compiled import inner
from models.index import fingerprint
from models.sentences import sentence
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


def text_of(item: Mapping[str, Any]) -> str:
    """What is said of an item in words.

    >>> text_of({"title": "Tent", "categories": ["Camping"], "tags": ["outdoor"], "price": 90.0})
    'Tent. Camping. outdoor'
    """
    said = (
        item.get("title"), *(item.get("categories") or ()), *(item.get("tags") or ()),
        item.get("description"),
    )  # fmt: skip
    return ". ".join(text for text in said if text)


def describe(arena: Arena, row: int, item: Mapping[str, Any], settings: Settings) -> None:
    """Write the content vector of `row` from the catalogue's fields.

    As `sentences`, words stand for what they mean, and weigh as much as all that is hashed beside
    them. Raises ExtraMissing where that cannot be had.
    """
    said = None if settings.text == "hashed" else sentence(text_of(item), settings.dims)
    told = tokens(item)
    keys = np.array([fingerprint(token) for token in told], np.uint64)
    documents, frequency = arena["content.documents"], arena["content.frequency"]
    if not arena["content.described"][row]:
        arena["content.described"][row] = 1
        _count(keys, documents, frequency)  # words as well: `text` may change
    out = arena["content.vectors"][row]
    if said is None:
        _project(keys, documents, frequency, out)
    else:
        marks = keys[["=" in token for token in told]]
        _project(marks, documents, frequency, out)
        out += said
        normalise(out, settings.dims)


def describe_again(
    arena: Arena, items: Iterable[Mapping[str, Any] | None], settings: Settings
) -> None:
    """Write the vectors of all rows anew, for another `text`; None: nothing is said of it now."""
    for row, item in enumerate(items):
        if item is None:
            arena["content.vectors"][row] = 0.0
        else:
            describe(arena, row, item, settings)


@njit(cache=True, nogil=True)
def _count(
    keys: NDArray[np.uint64], documents: NDArray[np.int64], frequency: NDArray[np.int32]
) -> None:
    documents[0] += 1
    for at in range(keys.shape[0]):
        fresh = True
        for before in range(at):
            fresh = fresh and keys[before] != keys[at]
        if fresh:
            frequency[keys[at] % np.uint64(_BUCKETS)] += 1


@njit(cache=True, nogil=True)
def _project(
    keys: NDArray[np.uint64], documents: NDArray[np.int64], frequency: NDArray[np.int32],
    out: NDArray[np.float32],
) -> None:  # fmt: skip
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
