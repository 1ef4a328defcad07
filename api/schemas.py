"""Shapes of requests and answers, as /docs shows them. `stream.events` is what checks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Id = Annotated[str, Meta(min_length=1, max_length=128, description="1-128 printable characters")]
Token = Annotated[str, Meta(pattern="^[A-Za-z0-9._~-]{1,1024}$", description="A position token")]
Scalars = Annotated[
    dict[str, str | int | float | bool | None], Meta(description="At most 20 scalars")
]
ServedBy = Literal["personal", "session", "trending", "static"]


class Event(Struct, kw_only=True):
    """One event of feedback. Fields not named here are kept, and not learned."""

    type: Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,63}$", examples=["like"])]
    user_id: Annotated[Id, Meta(examples=["ada"])]
    item_id: Annotated[Id, Meta(examples=["tea-1"])]
    value: Annotated[float | None, Meta(description="Required for a rating, 1 to 5")] = None
    event_id: Annotated[Id | None, Meta(description="Makes a repeated request harmless")] = None
    timestamp: Annotated[
        str | float | None, Meta(description="RFC 3339 with a zone, or seconds since 1970")
    ] = None
    session_id: Id | None = None
    recommendation_id: Id | None = None
    context: Scalars | None = None
    consent: Annotated[bool | None, Meta(description="false: nothing is stored or learned")] = None
    schema: Literal[1] | None = None


class Events(Struct, kw_only=True):
    """A batch; all of it is taken, or nothing."""

    events: Annotated[list[Event], Meta(min_length=1, max_length=1000)]


class EventsAccepted(Struct, kw_only=True):
    """The three counts add up to what was sent. Ids are in the order of the events."""

    accepted: int
    duplicates: int
    ignored: int
    event_ids: list[str | None]
    position: Token


class SessionEvent(Struct, kw_only=True):
    """An event of a session; the time may be long ago, and nobody need be named."""

    type: str
    item_id: Id
    value: float | None = None
    timestamp: str | float | None = None
    user_id: Id | None = None


CatalogueField = Literal[
    "title", "categories", "description", "tags", "price", "discount_percent", "stock", "rating",
    "attributes",
]  # fmt: skip
Ids = Annotated[list[Id], Meta(max_length=1000)]
Price = Annotated[float, Meta(ge=0, le=1e9)]


class Filtered(Struct, kw_only=True):
    """What may be in a list, and how it is answered."""

    k: Annotated[int, Meta(ge=1, le=100)] = 10
    category: Id | None = None
    include: Annotated[Ids, Meta(min_length=1, description="Only these")] | None = None
    exclude: Annotated[Ids, Meta(description="None of these")] = []
    in_stock: Annotated[bool, Meta(description="Stock above 0, or not counted")] = False
    price_min: Price | None = None
    price_max: Price | None = None
    fields: (
        Annotated[list[CatalogueField], Meta(description="Of the catalogue; all if left out")]
        | None
    ) = None
    diversity: Annotated[
        float, Meta(ge=0, le=1, description="0: by score alone; towards 1, less of the same")
    ] = 0.0


class Session(Filtered, kw_only=True):
    """What somebody did just now."""

    events: Annotated[list[SessionEvent], Meta(max_length=1000)]
    explain: bool = False
    consent: bool = True
    next: Annotated[str | None, Meta(description="Of the answer before, with the same events")] = (
        None
    )


class Crowd(Filtered, kw_only=True):
    """Users whose lists are wanted. Catalogue fields are answered where `fields` names them."""

    user_ids: Annotated[list[Id], Meta(min_length=1, max_length=1000)]


class EventShare(Struct, kw_only=True):
    """What an event of the past gave to a source's value."""

    item_id: Id
    source: str
    value: float


class Explanation(Struct, kw_only=True):
    """`base` and the sources add up to the score; the events of a source, where any, to it."""

    base: Annotated[float, Meta(description="The score of the average candidate of this list")]
    sources: Annotated[
        dict[str, float], Meta(description="By source; `context`: of the item and the user as such")
    ]
    events: list[EventShare]


class Recommended(Struct, kw_only=True):
    """A place of a list. The catalogue's fields of the item stand beside these."""

    item_id: Id
    score: float
    reason: Literal["history", "popular", "new", "trending", "similar", "explored", "diversity"]
    because: Annotated[list[str], Meta(description="Items of the history that weighed most")]
    explanation: Annotated[Explanation | None, Meta(description="With `explain=true`")] = None
    title: str | None = None
    categories: list[str] = []
    description: str | None = None
    tags: list[str] = []
    price: float | None = None
    discount_percent: float | None = None
    stock: float | None = None
    rating: float | None = None
    attributes: Scalars = {}


class Recommendations(Struct, kw_only=True):
    """A list and where it came from; `degraded` where a healthy system would do better."""

    user_id: str | None
    recommendation_id: str
    items: list[Recommended]
    served_by: ServedBy
    degraded: bool
    position: Token
    model_version: int
    age_ms: int
    next: Annotated[
        str | None, Meta(description="Give it as `next` for the page after this; null at the end")
    ] = None


class UserList(Struct, kw_only=True):
    """A user's list. Nothing of it is remembered as shown."""

    user_id: Id
    items: list[Recommended]
    served_by: ServedBy
    degraded: bool


class UserLists(Struct, kw_only=True):
    """In the order of the users asked for."""

    lists: list[UserList]


class Listed(Struct, kw_only=True):
    """A list that is nobody's own."""

    items: list[Recommended]
    served_by: ServedBy


class Item(Struct, kw_only=True):
    """A record of the catalogue."""

    item_id: Annotated[Id, Meta(examples=["tea-1"])]
    title: str | None = None
    categories: list[str] = []
    description: str | None = None
    tags: list[str] = []
    price: Annotated[float, Meta(ge=0)] | None = None
    discount_percent: Annotated[float, Meta(ge=0)] | None = None
    stock: Annotated[float, Meta(ge=0)] | None = None
    rating: Annotated[float, Meta(ge=0)] | None = None
    attributes: Scalars = {}
    available: Annotated[bool, Meta(description="false: in no list")] = True


class Items(Struct, kw_only=True):
    items: Annotated[list[Item], Meta(min_length=1, max_length=1000)]


class UserRecord(Struct, kw_only=True):
    """A user's attributes."""

    user_id: Annotated[Id, Meta(examples=["ada"])]
    attributes: Scalars = {}


class Users(Struct, kw_only=True):
    users: Annotated[list[UserRecord], Meta(min_length=1, max_length=1000)]


class Accepted(Struct, kw_only=True):
    accepted: int
    position: Token


class HistoryEntry(Struct, kw_only=True):
    item_id: Id
    type: str
    value: float | None
    timestamp: Annotated[float, Meta(description="Seconds since 1970")]


class User(Struct, kw_only=True):
    """What is known of a user: events by type, and the newest items first."""

    user_id: Id
    counts: dict[str, int]
    history: list[HistoryEntry]
    position: Token


class Embedding(Struct, kw_only=True):
    user_id: Id
    dim: int
    embedding: list[float]
    position: Token


class Rating(Struct, kw_only=True):
    user_id: Id
    item_id: Id
    prediction: Annotated[float, Meta(ge=1, le=5)]


class Settings(Struct, kw_only=True):
    """The whole learning configuration, as `[learning]` of a settings file has it."""

    learning: dict[str, Any]


class SettingsApplied(Struct, kw_only=True):
    """What changes, dotted as in a settings file, and from where on."""

    changed: list[str]
    position: Token


class Status(Struct, kw_only=True):
    status: Literal["ok", "ready"]


class Problem(Struct, kw_only=True):
    """What is wrong. `field` is a path, such as `events.3.value`."""

    code: str
    message: str
    field: str | None
    request_id: str


class Error(Struct, kw_only=True):
    """The one envelope of everything that is not answered with 2xx."""

    error: Problem
    event_ids: Annotated[
        list[str | None] | None, Meta(description="With 503 to events: send them along again")
    ] = None


class Alert(Struct, kw_only=True):
    """`since` is when it came into its state, seconds since 1970; null where it never left it."""

    name: str
    severity: Literal["warning", "critical"]
    state: Literal["inactive", "pending", "firing"]
    since: float | None
    value: float | None
    summary: str


class Alerts(Struct, kw_only=True):
    """As this process sees them."""

    alerts: list[Alert]
