"""`freshet recommend`: everybody's lists into a file, for mail sent by night."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import msgspec
import typer

from api.ladder import Ladder
from api.wanted import FIELDS, Wanted
from config import bootstrap
from config.cli.list_files import COLUMNS, Rows, require_lists, write_lists
from config.cli.options import AsJson, ConfigFile, DataDir, progress_bar, settings_for, show
from models.facets import Filters
from models.model import Model
from producers.errors import OptionError, ProducerError
from stream.canary import is_canary
from stream.learner import Learner
from stream.service import Reading

# Users whose lists are made together: enough to share a call, few enough to show progress.
_TOGETHER: Final = 200
_TIMEOUT_S: Final = 60.0


class ServerRefused(ProducerError):
    """The server did not answer with lists."""


def register(app: typer.Typer) -> None:
    app.command()(recommend)


@dataclass(frozen=True)
class _Folder:
    """Lists made from a data folder: the newest snapshot and the log's tail; nothing is written."""

    learner: Learner

    @property
    def model(self) -> Model:
        return self.learner.stage.model

    def users(self) -> list[str]:
        profiles = self.learner.profiles
        return sorted(user for user, _ in profiles.user_ids(profiles.users) if not is_canary(user))

    def lists(self, users: Sequence[str], wanted: Wanted) -> list[dict[str, Any]]:
        readings = [Reading(self.learner.profiles.row(user), {}) for user in users]
        answers = Ladder(self).many(users, readings, wanted)
        return [
            {
                "user_id": user, "items": msgspec.json.decode(answer.items),
                "served_by": answer.served_by,
            }
            for user, answer in zip(users, answers, strict=True)
        ]  # fmt: skip


@dataclass(frozen=True)
class _Server:
    """Lists asked of a running system."""

    client: httpx.Client

    def lists(self, users: Sequence[str], wanted: Wanted) -> list[dict[str, Any]]:
        body = {
            "user_ids": list(users), "k": wanted.k, "fields": list(wanted.fields or ()),
            "in_stock": wanted.filters.in_stock, "category": wanted.filters.category,
        }  # fmt: skip
        try:
            answer = self.client.post("/v1/recommendations:batch", json=body)
        except httpx.HTTPError as error:
            raise ServerRefused(f"the server cannot be asked: {type(error).__name__}") from None
        if answer.status_code != 200:
            raise ServerRefused(f"the server answered {answer.status_code} instead of lists")
        lists: list[dict[str, Any]] = answer.json()["lists"]
        return lists


def recommend(
    out: Annotated[Path, typer.Option(help="File to write: .csv, .jsonl or .parquet.")],
    all_users: Annotated[
        bool, typer.Option("--all-users", help="Everybody in the folder.")
    ] = False,
    users: Annotated[Path | None, typer.Option(help="A file with a user's id a line.")] = None,
    data_dir: DataDir = None,
    url: Annotated[str | None, typer.Option(help="Ask a running server, with --users.")] = None,
    api_key: Annotated[
        str | None, typer.Option(envvar="FRESHET_API_KEY", help="Where the server asks for one.")
    ] = None,
    k: Annotated[int, typer.Option(min=1, max=100, help="Items a user.")] = 10,
    category: Annotated[str | None, typer.Option(help="Only items of this category.")] = None,
    in_stock: Annotated[bool, typer.Option("--in-stock", help="Only what can be had.")] = False,
    fields: Annotated[
        str | None, typer.Option(help="Catalogue fields as columns more: title,price,…")
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Write the lists of many users into a file: a row a place, for a nightly mail.

    From a data folder, also beside a running server, which notices nothing; or from a server with
    --url. Columns: user_id, place (from 1), item_id, score, reason, served_by, and the fields.

    Example: `freshet recommend --all-users --out lists.parquet --fields title,price`
    """
    names = tuple(fields.split(",")) if fields else ()
    for name in names:
        if name not in FIELDS:
            raise OptionError(f"--fields: known are {', '.join(FIELDS)}")
    if all_users == (users is not None):
        raise OptionError("give --all-users or --users FILE")
    if url is not None and (all_users or data_dir is not None):
        raise OptionError("--url goes with --users FILE: a server names nobody's users")
    require_lists(out)
    named = None if users is None else _named_in(users)
    wanted = Wanted(k, Filters(category=category, in_stock=in_stock), names)
    if url is not None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        with httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_S) as client:
            count = _write(_Server(client), named or (), wanted, out)
    else:
        learner = bootstrap.reader(settings_for(config, data_dir), snapshots=True)
        while learner.learn(1_000):
            pass
        folder = _Folder(learner)
        count = _write(folder, folder.users() if named is None else named, wanted, out)
    show(count, as_json)


def _named_in(file: Path) -> list[str]:
    try:
        return [line for line in file.read_text("utf-8").splitlines() if line]
    except OSError as error:
        raise OptionError(f"--users: the file cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise OptionError("--users: the file is not text in UTF-8") from None


def _write(
    source: _Folder | _Server, users: Sequence[str], wanted: Wanted, out: Path
) -> dict[str, int]:
    written = 0

    def rows(advance: Any) -> Iterator[Rows]:
        nonlocal written
        for start in range(0, len(users), _TOGETHER):
            part = users[start : start + _TOGETHER]
            lot = [row for one in source.lists(part, wanted) for row in _rows(one, wanted)]
            advance(len(part))
            written += len(lot)
            yield lot

    with progress_bar("making lists", len(users)) as advance:
        write_lists(out, (*COLUMNS, *(wanted.fields or ())), rows(advance))
    return {"users": len(users), "rows": written}


def _rows(one: dict[str, Any], wanted: Wanted) -> Rows:
    return [
        {
            "user_id": one["user_id"], "place": place, "item_id": item["item_id"],
            "score": item["score"], "reason": item["reason"], "served_by": one["served_by"],
            **{name: item.get(name) for name in wanted.fields or ()},
        }
        for place, item in enumerate(one["items"], start=1)
    ]  # fmt: skip
