"""From places to the items of an answer: the one place where the list that is shown is made.

Whatever moves, adds or takes out an item on purpose (a placement, a rule) belongs here: it gets
the places as they were ranked and says in `reason` what it did. What is shown is remembered
from these places, so that what was learned from a list is what somebody saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from api.wanted import Wanted
from models.answers import Listed
from models.model import Model

Items = list[dict[str, Any]]


@dataclass(frozen=True)
class Composed:
    """A list as it is shown, and the places it was made of."""

    items: Items
    places: Sequence[Listed]


def compose(model: Model, places: Sequence[Listed], wanted: Wanted) -> Composed:
    """The final list."""
    return Composed([_item(model, place, wanted) for place in places], places)


def _item(model: Model, place: Listed, wanted: Wanted) -> dict[str, Any]:
    head = {
        "item_id": model.id_of(place.row),
        "score": place.score,
        "reason": place.reason,
        "because": [model.id_of(row) for row in place.because],
    }
    if wanted.explain:
        head["explanation"] = _explanation(model, place)
    if wanted.fields == ():
        return head
    return {**head, **chosen(model.document(place.row) or {}, wanted.fields), **head}


def chosen(document: dict[str, Any], fields: Sequence[str] | None) -> dict[str, Any]:
    """The catalogue's fields that are wanted, of those there are."""
    if fields is None:
        return document
    return {name: document[name] for name in fields if name in document}


def _explanation(model: Model, place: Listed) -> dict[str, Any]:
    why = place.explanation
    if why is None:  # no ranker's score: a count's, or that of the place an item was drawn into
        return bare_explanation(place.score, place.reason)
    return {
        "base": why.base,
        "sources": why.sources,
        "events": [
            {"item_id": model.id_of(row), "source": source, "value": value}
            for row, source, value in why.events
        ],
    }


def bare_explanation(score: float, reason: str) -> dict[str, Any]:
    """What there is to say of a score that no source and no past event has made."""
    if reason == "trending":
        return {"base": 0.0, "sources": {"trending": score, "context": 0.0}, "events": []}
    return {"base": score, "sources": {"context": 0.0}, "events": []}
