"""What the learning depends on, typed and frozen. It enters a model by the log alone."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

Positive = Annotated[float, Meta(gt=0, le=1e12)]
Share = Annotated[float, Meta(ge=0, le=1)]
Weight = Annotated[float, Meta(ge=0, le=100)]
Length = Annotated[int, Meta(ge=1, le=64)]
Neighbours = Literal["none", "items", "users", "both"]


class EventType(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a type of feedback means. Zero weight: kept in the history, no lesson for the crowd."""

    weight: Weight = 1.0
    sign: Literal["positive", "neutral", "negative"] = "positive"
    hides: bool = True
    negative_up_to: float | None = None  # a value at or below it makes the event negative


def default_events() -> dict[str, EventType]:
    return {
        "view": EventType(weight=1.0),
        "click": EventType(weight=1.0),
        "like": EventType(weight=2.0),
        "add_to_cart": EventType(weight=2.0),
        "purchase": EventType(weight=3.0),
        "rating": EventType(weight=1.0, negative_up_to=2.0),
        "comment": EventType(weight=1.0, sign="neutral"),
        "dislike": EventType(weight=1.0, sign="negative"),
    }


class Cooccurrence(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One horizon of time-aware co-occurrence; the letters are those of its formula.

    `length`/`decay` bound and weigh the history an event is paired with, `score_length`/
    `score_decay` the history a list is made from; `back` is the share of the reverse pair;
    `alpha`/`beta` normalise by the popularity of the history item and of the candidate;
    `half_life` is in events, `tau`/`score_tau` in seconds.
    """

    length: Length
    decay: Share
    score_length: Length
    score_decay: Share
    alpha: Share
    beta: Share
    back: Share
    half_life: Positive
    tau: Positive = 300.0
    score_tau: Positive = 60.0
    floor: Share = 0.02


def default_cooccurrence() -> dict[str, Cooccurrence]:
    return {
        "fast": Cooccurrence(
            length=20, decay=0.9, score_length=50, score_decay=0.95,
            alpha=0.5, beta=0.4, back=0.6, half_life=50_000.0,
        ),
        "slow": Cooccurrence(
            length=64, decay=0.9, score_length=20, score_decay=0.98,
            alpha=0.7, beta=0.3, back=0.6, half_life=100_000.0,
            tau=3600.0, score_tau=20.0, floor=0.1,
        ),
        "forward": Cooccurrence(
            length=5, decay=0.7, score_length=5, score_decay=0.7,
            alpha=0.7, beta=0.2, back=0.1, half_life=50_000.0,
        ),
        "recent": Cooccurrence(
            length=10, decay=0.8, score_length=10, score_decay=0.8,
            alpha=0.5, beta=0.2, back=0.3, half_life=3_000.0,
        ),
    }  # fmt: skip


class Popularity(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Half-lives in events, for the ranker's two sources; trending's is in seconds."""

    fast_half_life: Positive = 1_000.0
    slow_half_life: Positive = 10_000.0
    trending_half_life_s: Positive = 7 * 86_400.0


class Embeddings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Bag-of-history two-tower: vectors of `dims`, trained with `negatives` drawn per event."""

    dims: Literal[16, 32, 48, 64, 96, 128] = 64
    negatives: Annotated[int, Meta(ge=1, le=200)] = 40
    length: Length = 20
    decay: Share = 0.85
    learning_rate: Positive = 0.1


class Content(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The catalogue's text and attributes, in `dims`.

    `text`: words are hashed and projected by fixed random signs, or read as `sentences`, in which
    other words that mean the same are near (the extra `sentences`).
    """

    text: Literal["hashed", "sentences"] = "hashed"
    dims: Literal[32, 64, 96, 128] = 64
    length: Length = 20
    decay: Share = 0.9


class Factors(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Matrix factorisation in closed form; the letters of its formula are in `factors`.

    `unseen` and `unseen_users` weigh what was not taken, `memory` is what an item's sums keep
    of themselves at every event on it.
    """

    dims: Literal[16, 32] = 32
    length: Length = 40
    decay: Share = 0.95
    tau: Positive = 300.0
    floor: Share = 0.05
    unseen: Positive = 0.2
    unseen_users: Positive = 50.0
    regularisation: Positive = 0.1
    memory: Share = 0.99


class Sources(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which sources there are. One that is off neither scores nor learns, and lists nothing.

    Popularity is counted all the same: trending and the ranker's features need the counts.
    Switched on again, a source goes on from what it knew when it was switched off.
    """

    popular_fast: bool = True
    popular_slow: bool = True
    fast: bool = True
    slow: bool = True
    forward: bool = True
    recent: bool = True
    embeddings: bool = True
    content: bool = True
    stage: bool = True  # what others take at the same length of their history
    demographics: bool = True  # what others with the same attributes take
    factors: bool = False  # matrix factorisation; 4 KB an item, and a third of the speed
    own: bool = True  # what the user has had before; it lists only where `repeats` is on


class Ranker(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The online blend of the sources.

    `dislike_penalty` is what an item exactly like one just disliked loses, in units of the
    ranker's score; 3.5 costs ML-100K 0.9 % of its hits.
    """

    learning_rate: Share = 0.001  # of the first lessons; it falls to three tenths of that
    candidates_per_source: Annotated[int, Meta(ge=10, le=100)] = 60
    dislike_penalty: Weight = 3.5


class Ratings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The rating model. A user costs about 4 KB, an item 300 bytes; the bounds keep the newest.

    `neighbours` says whose residuals speak besides: of items rated alike, of users who rate
    alike, or of both; each costs 1.5 KB a row, and a tenth of the speed.
    """

    n_factors: Annotated[int, Meta(ge=1, le=64)] = 16
    max_users: Annotated[int, Meta(ge=2, le=100_000_000)] = 50_000
    max_items: Annotated[int, Meta(ge=2, le=100_000_000)] = 200_000
    neighbours: Neighbours = "none"
    # Of River's `BiasedMF`, which an earlier build learned with; read, and without effect.
    bias_learning_rate: Positive = 0.025
    latent_learning_rate: Positive = 0.05
    l2: Share = 0.0

    @property
    def speaking(self) -> tuple[bool, bool]:
        """Whether the neighbours of items do, and those of users."""
        return self.neighbours in ("items", "both"), self.neighbours in ("users", "both")


class Impressions(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What lists that were shown teach: click-through, and how much each place is looked at.

    Without `debias` every place counts alike, and what is ranked high stays high by being there.
    """

    learn: bool = True
    debias: bool = True


class Exploration(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """New items drawn into lists; `share` of the lists, at most, hold one. 0: none.

    An item is new for `new_for_s` seconds of the model clock after it was first met, unless it
    has been shown or acted on enough before.
    """

    share: Share = 0.05
    new_for_s: Positive = 7 * 86_400.0


class Drift(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a drift does to learning, for `duration` events, and which do.

    Half-lives in events are divided, or learning rates multiplied, by `strength`. A drift that is
    slight, or that made quality better, does nothing and raises no alert. Slight is a change of
    what comes in below `least_distance` (Kolmogorov-Smirnov's or Jensen-Shannon's, 0 to 1), and a
    fall of quality by less than the share `least_loss` of its mean.
    """

    action: Literal["note", "shorter_half_lives", "higher_learning_rate"] = "note"
    duration: Annotated[int, Meta(ge=1, le=10**9)] = 10_000
    strength: Annotated[float, Meta(ge=1, le=100)] = 3.0
    # A shop's nights and days, and what it advertises, differ by up to 0.3. At 0 every change is
    # large, at 1 none.
    least_distance: Annotated[float, Meta(ge=0, le=1)] = 0.3
    least_loss: Annotated[float, Meta(ge=0, le=1)] = 0.1


class River(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A model of River's, by its path below `river`, and what it is for.

    `rating` joins the stack of the rating model, `ranker` judges the candidates of every list,
    `source` also brings the most popular items beside them. Each costs its own time.
    """

    path: str = field(name="class")
    role: Literal["rating", "source", "ranker"]
    parameters: dict[str, Any] = field(default_factory=dict)


class LearningSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole learning configuration, as the log's `setting` records carry it.

    `films` is for long-lived users, `shop` for sessions in which items come again; `auto` begins
    between the two and decides once, after 10,000 events, by how often users come back to an
    item and how much each of them does. What is set otherwise than by default overrides a preset.
    """

    sources: Sources = field(default_factory=Sources)
    preset: Literal["auto", "films", "shop"] = "auto"
    # A shop may recommend again what a user has seen, a film site may not; None: as the preset.
    repeats: bool | None = None
    # Items the model knows at most: for a newcomer the least recently active eighth leaves.
    max_items: Annotated[int, Meta(ge=1, le=10_000_000)] = 1_000_000
    events: dict[str, EventType] = field(default_factory=default_events)
    popularity: Popularity = field(default_factory=Popularity)
    cooccurrence: dict[str, Cooccurrence] = field(default_factory=default_cooccurrence)
    embeddings: Embeddings = field(default_factory=Embeddings)
    content: Content = field(default_factory=Content)
    factors: Factors = field(default_factory=Factors)
    ranker: Ranker = field(default_factory=Ranker)
    impressions: Impressions = field(default_factory=Impressions)
    exploration: Exploration = field(default_factory=Exploration)
    ratings: Ratings = field(default_factory=Ratings)
    drift: Drift = field(default_factory=Drift)
    river: dict[str, River] = field(default_factory=dict)
