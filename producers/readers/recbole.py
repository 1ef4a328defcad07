"""RecBole's atomic files: tab-separated, typed headers, `.item` and `.user` beside `.inter`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from producers.errors import ReadError
from producers.readers.dataset import Dataset, Record, nothing
from producers.readers.feedback import Scale
from producers.readers.table import Row, Table, open_table, split_tabs

_TYPES = ("token", "token_seq", "float", "float_seq")
_TITLES = ("movie_title", "title")
# Film catalogues put the article last so that titles sort: "Graduate, The".
_ARTICLE_LAST = re.compile(r"(.+), (The|A|An|Le|La|Les|Il|Das|Der|Die|El)")
_CATEGORIES = ("class", "genre")


def read_recbole(path: Path, scale: Scale | None = None) -> Dataset:
    """`path` is the `.inter` file; ratings when it has a rating column, else views.

    Where sessions stand for users, `session_id` is who acts.
    """
    name = path.stem
    interactions = _open(path, ("user_id", "item_id"), sessions=True)
    items_path, users_path = path.with_suffix(".item"), path.with_suffix(".user")
    items = _items(_open(items_path, ("item_id",))) if items_path.exists() else nothing()
    users = _users(_open(users_path, ("user_id",))) if users_path.exists() else nothing()
    return Dataset(name, _events(name, interactions, scale or Scale()), items, users)


def _open(path: Path, required: tuple[str, ...], *, sessions: bool = False) -> Table:
    layout = "a tab-separated header such as " + " ".join(f"{name}:token" for name in required)
    table = open_table(path, split_tabs, (), layout)
    names = []
    for place, typed in enumerate(table.header, start=1):
        name, _, kind = typed.partition(":")
        if not name or kind not in _TYPES:
            expected = f"{layout}; every column is name:type, type one of {', '.join(_TYPES)}"
            raise ReadError(path.name, expected, line=1, column=str(place))
        names.append(name)
    if sessions and "user_id" not in names:
        names = ["user_id" if name == "session_id" else name for name in names]
    for column in required:
        if column not in names:
            raise ReadError(path.name, layout, line=1, column=f"{column}:token")
    if len(set(names)) != len(names):
        raise ReadError(path.name, "every column once", line=1)
    return Table(path, tuple(names), split_tabs)


def _events(dataset: str, table: Table, scale: Scale) -> Iterator[dict[str, Any]]:
    rated = "rating" in table.header
    for row in table.rows():
        event = {
            "event_id": f"{dataset}:{row.line}",
            "type": "rating" if rated else "view",
            "user_id": row.identifier("user_id"),
            "item_id": row.identifier("item_id"),
        }
        record = Record(row.file, row.line, event)
        if rated:
            record["value"] = scale.rating(row, "rating")
        if (timestamp := row.moment("timestamp")) is not None:
            record["timestamp"] = timestamp
        yield record


def _items(table: Table) -> Iterator[dict[str, Any]]:
    for row in table.rows():
        item = Record(row.file, row.line, {"item_id": row.identifier("item_id")})
        if title := _first(row, _TITLES):
            item["title"] = _turned(title)
        if categories := _first(row, _CATEGORIES):
            item["categories"] = categories.split()
        if attributes := _attributes(row, ("item_id", *_TITLES, *_CATEGORIES)):
            item["attributes"] = attributes
        yield item


def _users(table: Table) -> Iterator[dict[str, Any]]:
    for row in table.rows():
        user = {
            "user_id": row.identifier("user_id"),
            "attributes": _attributes(row, ("user_id",)),
        }
        yield Record(row.file, row.line, user)


def _first(row: Row, columns: tuple[str, ...]) -> str | None:
    return next((text for column in columns if (text := row.text(column))), None)


def _attributes(row: Row, but: tuple[str, ...]) -> dict[str, str]:
    """Every other cell that is not empty, as text: a zip code or a year is a token, no number."""
    names = (name for name in row.columns if name not in but)
    return {name: text for name in names if (text := row.text(name))}


def _turned(title: str) -> str:
    """Put a trailing article where it is spoken.

    >>> _turned("Graduate, The"), _turned("Toy Story")
    ('The Graduate', 'Toy Story')
    """
    match = _ARTICLE_LAST.fullmatch(title)
    return f"{match[2]} {match[1]}" if match else title
