"""Chance by name: the same seed and names give the same numbers, whatever was drawn before."""

from __future__ import annotations

import hashlib

import numpy as np


def chance(seed: int, name: str, *numbers: int) -> np.random.Generator:
    """A generator of its own for each (seed, name, numbers), so that no run disturbs another.

    >>> float(chance(1, "visit", 2, 3).random()) == float(chance(1, "visit", 2, 3).random())
    True
    """
    text = f"{seed}:{name}:{':'.join(map(str, numbers))}"
    key = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=np.frombuffer(key, np.uint64)))
