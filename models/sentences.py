"""Sentence vectors: what a text says, as the sum of its word pieces in a table learned elsewhere.

Both come in the wheel of `wordllama` (the extra `sentences`). Its files are read, and none of its
code runs; no other files will do, since another table would give a log another state.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.errors import ExtraMissing, how_to_install
from models.vectors import normalise

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_KEY: Final = "learning.content.text"
_INSTALL: Final = how_to_install("sentences")
_TABLE: Final = "weights/l2_supercat_256.safetensors"
_PIECES: Final = "tokenizers/l2_supercat_tokenizer_config.json"
_SHAPE: Final = (32_000, 256)
_FILES: Final = "1714c3098fcbfbe92738307a46cd5788"
# Where versions of `tokenizers` would differ, if they ever did: accents, scripts that are spelt in
# bytes, digits, spaces. The digest is of its vector.
_PROBE: Final = "crème brûlée  №5 à 1.299,00 € — ソファ 🛋 xr-200"
_PROBED: Final = "7a278bc60dda045b1b6a20a841178e74"
# Characters and pieces of a text that count: a novel must not stall the learner, and what a
# thing is stands at the beginning.
_CHARACTERS: Final = 1_000
_MOST: Final = 256


class _Language(NamedTuple):
    """`table` is float16[pieces, 256], of which the first n columns are a space of their own."""

    table: NDArray[np.float16]
    pieces: Tokenizer


def require_sentences() -> None:
    """Raise ExtraMissing where sentence vectors cannot be made here, or would be others."""
    _language()


def sentence(text: str, dims: int) -> NDArray[np.float32]:
    """Return the vector (float32[dims], norm 1, zeros of an empty text) of a text.

    Raises ExtraMissing.
    """
    return _vector(_language(), text, dims)


def _vector(language: _Language, text: str, dims: int) -> NDArray[np.float32]:
    # `Sofa` is cut into other pieces than `sofa`, and a quarter fewer likes are found.
    begin = text[:_CHARACTERS].lower()
    numbers = language.pieces.encode(begin, add_special_tokens=False).ids[:_MOST]
    # 256 of these float16 add up in doubles without rounding: no order of them shows in the bits.
    total = language.table[numbers, :dims].sum(axis=0, dtype=np.float64)
    vector: NDArray[np.float32] = total.astype(np.float32)
    normalise(vector, dims)
    return vector


@cache
def _language() -> _Language:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise ExtraMissing(_KEY, f"sentences need the extra: {_INSTALL}") from None
    table, pieces = _shipped(_TABLE), _shipped(_PIECES)
    if _digest(table, pieces) != _FILES:
        raise ExtraMissing(_KEY, f"the wordllama installed here has another table: {_INSTALL}")
    rows = np.frombuffer(table, np.float16, offset=len(table) - 2 * math.prod(_SHAPE))
    language = _Language(rows.reshape(_SHAPE), Tokenizer.from_buffer(pieces))
    if _digest(_vector(language, _PROBE, _SHAPE[1]).tobytes()) != _PROBED:
        raise ExtraMissing(_KEY, f"the tokenizers installed here cut texts otherwise: {_INSTALL}")
    return language


def _shipped(name: str) -> bytes:
    """A file of the wheel; nothing of the package is imported."""
    found = importlib.util.find_spec("wordllama")
    folders = found.submodule_search_locations if found else None
    try:
        return (Path((folders or [])[0]) / name).read_bytes()
    except (IndexError, OSError):
        raise ExtraMissing(_KEY, f"sentences need the extra: {_INSTALL}") from None


def _digest(*parts: bytes) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
