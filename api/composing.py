"""From places to the items of an answer: the one place where the list that is shown is made.

Whatever moves, adds or takes out an item on purpose (a placement, a rule) belongs here: it gets
the places as they were ranked and says in `reason` what it did. What is shown is remembered
from these places, so that what was learned from a list is what somebody saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw, Struct

from api.wanted import Wanted
from models.answers import Listed
from models.reader import Reader

_encoder: Final = msgspec.json.Encoder()
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class _Place(Struct, omit_defaults=True):
    """What is said of an item beside what the catalogue says."""

    score: float
    reason: str
    because: list[str]
    explanation: dict[str, Any] | None = None


class Composed(NamedTuple):
    """A list as it is shown, its items' ids and keys, and the places it was made of."""

    items: Raw
    item_ids: list[str]
    places: Sequence[Listed]
    keys: list[int]


def compose(reader: Reader, places: Sequence[Listed], wanted: Wanted) -> Composed:
    """The final list; `places` are those of this very reader."""
    rows = [place.row for place in places]
    described = reader.described(rows)
    if wanted.fields is not None:
        described = [chosen(item, wanted.fields) for item in described]
    items = array_of(described, _said(reader, places, wanted.explain))
    return Composed(items, reader.ids_of(rows), places, reader.keys_of(rows))


def _said(reader: Reader, places: Sequence[Listed], explain: bool) -> list[bytes]:
    """What is said of every place: one call writes them all, as lines of one text."""
    causes = {row for place in places for row in place.because}  # of many places the same few
    names = dict(zip(causes, reader.ids_of(causes), strict=True))
    said = [
        _Place(
            place.score, place.reason, [names[row] for row in place.because],
            _explanation(reader, place) if explain else None,
        )
        for place in places
    ]  # fmt: skip
    return _encoder.encode_lines(said).splitlines()


def array_of(described: Sequence[bytes], said: Sequence[bytes]) -> Raw:
    """A JSON array of objects, each made of two, none of which is empty.

    >>> bytes(array_of([b'{"item_id":"tea"}', b'{"item_id":"cup"}'], [b'{"score":2}'] * 2))
    b'[{"item_id":"tea","score":2},{"item_id":"cup","score":2}]'
    """
    halves = [b""] * (2 * len(described))
    halves[::2] = [one[:-1] for one in described]
    halves[1::2] = [one[1:] for one in said]
    return Raw(b"[%b]" % b",".join(halves))


def chosen(described: bytes, fields: Sequence[str]) -> bytes:
    """The id and those of the catalogue's fields that are wanted.

    >>> chosen(b'{"item_id":"tea","title":"Tea","price":3.5}', ["price"])
    b'{"item_id":"tea","price":3.5}'
    """
    document = _decode(described)
    return _encoder.encode(
        {name: document[name] for name in ("item_id", *fields) if name in document}
    )


def _explanation(reader: Reader, place: Listed) -> dict[str, Any]:
    why = place.explanation
    if why is None:  # no ranker's score: a count's, or that of the place an item was drawn into
        return bare_explanation(place.score, place.reason)
    return {
        "base": why.base,
        "sources": why.sources,
        "events": [
            {"item_id": reader.id_of(row), "source": source, "value": value}
            for row, source, value in why.events
        ],
    }


def bare_explanation(score: float, reason: str) -> dict[str, Any]:
    """What there is to say of a score that no source and no past event has made."""
    if reason == "trending":
        return {"base": 0.0, "sources": {"trending": score, "context": 0.0}, "events": []}
    return {"base": score, "sources": {"context": 0.0}, "events": []}
