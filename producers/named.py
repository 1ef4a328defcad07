"""Names given to an option, where only some are known."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence

from producers.errors import OptionError


def require_known(option: str, names: Sequence[str], known: Collection[str]) -> None:
    """Raise OptionError at the first name that is none of `known`, with one that is like it.

    >>> require_known("--against", ["popularity"], ["popularity", "item-knn"])
    """
    for place, name in enumerate(names, 1):
        if name not in known:
            alike = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {alike[0]}? " if alike else ""
            raise OptionError(
                f"{option}: name {place} of {len(names)} is not known; "
                f"{hint}all are {', '.join(known)}"
            )
