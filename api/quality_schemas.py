"""Shapes of live quality, as /docs shows them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

_AT = {
    f"{name}_{k}": f"{name}@{k}"
    for name in ("hr", "ndcg", "mrr", "precision", "recall", "coverage")
    for k in (10, 20)
}
Share = Annotated[float, Meta(ge=0, le=1)]


class Figures(Struct, kw_only=True, rename=_AT):
    """Metrics of scored events, null where there was nothing to measure.

    An event is scored by its place in the list of 20 from just before it, so one item is
    relevant: `recall@k` is `hr@k`, `precision@k` that over k, `ndcg@k` 1/log2(place + 1) and
    `mrr@k` 1/place, places counted from 1, both 0 beyond k.
    """

    scored: int
    hr_10: Share | None
    ndcg_10: Share | None
    mrr_10: Share | None
    precision_10: Share | None
    recall_10: Share | None
    hr_20: Share | None
    ndcg_20: Share | None
    mrr_20: Share | None
    precision_20: Share | None
    recall_20: Share | None
    novelty: Annotated[
        float | None,
        Meta(
            description="Bits: mean over the items listed of -log2((n + 1) / (N + M + 1)), n "
            "events of the item, N of all M items that had any"
        ),
    ]
    ratings: Annotated[int, Meta(description="Ratings foretold; of them are rmse and mae")]
    rmse: float | None
    mae: float | None


class Slices(Struct, kw_only=True):
    """New: fewer than 5 earlier items of the user, or events of the item."""

    new_users: Figures
    warm_users: Figures
    new_items: Figures
    known_items: Figures


class Rung(Figures, kw_only=True):
    """Scored events that name a list from this rung, and what became of all such lists.

    A list is known by its impression, and counted here once it is answered or 30 minutes old.
    """

    lists: int
    shown: Annotated[int, Meta(description="Items in them")]
    taken: Annotated[int, Meta(description="Items of them that an event which weighs was for")]
    ctr: Annotated[Share | None, Meta(description="Taken over shown")]


class Rungs(Struct, kw_only=True):
    """By the rung of the ladder."""

    personal: Rung
    session: Rung
    trending: Rung
    static: Rung


class Actions(Struct, kw_only=True):
    """Events of one type; attributed ones carried the `recommendation_id` of a list."""

    events: int
    attributed: int
    ctr: Annotated[float | None, Meta(description="Attributed events over items shown")]
    conversion: Annotated[float | None, Meta(description="Attributed events over lists shown")]


class Window(Figures, kw_only=True):
    """The newest samples; `event_types` are of as many events, to the next thousand."""

    samples: int
    coverage_20: Annotated[
        Share | None, Meta(description="Share of the known items that some list had")
    ]
    slices: Slices
    sources: Annotated[
        dict[str, Figures], Meta(description="By the source that ranked the event's item best")
    ]
    served_by: Rungs
    event_types: dict[str, Actions]


class Windows(Struct, kw_only=True, rename={"last_1000": "1000", "last_10000": "10000"}):
    """The newest 1,000 and 10,000 samples, and all since the log began."""

    last_1000: Window
    last_10000: Window
    all: Window


class DriftFound(Struct, kw_only=True):
    """A change of a signal. `example` counts what was learned; `position` is the log's."""

    detector: Literal["adwin", "page_hinkley", "ks", "js"]
    signal: str
    effect: Annotated[
        Literal["better", "worse", "changed", "slight"],
        Meta(
            description="Quality that rose, quality that fell, anything else that is another now; "
            "`slight`: too small to act on"
        ),
    ]
    size: Annotated[
        float,
        Meta(description="Distance from before, 0 to 1; of quality the difference of the means"),
    ]
    example: int
    partition: int
    position: Annotated[int, Meta(description="-1: not known")]
    timestamp: Annotated[float, Meta(description="Of the event, seconds since 1970")]


class DriftState(Struct, kw_only=True):
    """What a drift does to learning, and up to which example one does so now."""

    action: Literal["note", "shorter_half_lives", "higher_learning_rate"]
    acting_until: int | None
    rejected: Annotated[int, Meta(description="Numbers that no detector could be shown")]


class Quality(Struct, kw_only=True):
    """How well lists and ratings foretell what happens, measured before it is learned."""

    samples: int
    learned: int
    windows: Windows
    trend: Annotated[
        list[Share],
        Meta(description="hr@20 of the newest 10,000 samples in equal pieces, oldest first"),
    ]
    drift: DriftState
    drifts: Annotated[list[DriftFound], Meta(description="The newest 20, newest first")]
    source_shares: Annotated[
        dict[str, Share],
        Meta(
            description="Of the places in all lists this process has answered, by the source that "
            "ranked the item best; `none`: no source had it, as what is explored"
        ),
    ]
