"""`freshet dead-letters`: what could not be learned, why, and sending it again."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from config import bootstrap
from config.cli.options import AsJson, ConfigFile, DataDir, console, settings_for, show
from stream.errors import StreamError
from stream.files.folder import DataFolder, FolderLock
from stream.ports import StoredLetter
from stream.records import NewRecord
from stream.sqlite.dead_letters import SqliteDeadLetters
from stream.sqlite.log import SqliteLog

app = typer.Typer(help="List, show and replay dead letters.", no_args_is_help=True)

Offset = Annotated[int, typer.Argument(min=0, help="The record's position in the log.")]


@contextmanager
def _letters(folder: DataFolder) -> Iterator[SqliteDeadLetters | None]:
    if not folder.dead_letters.exists():
        yield None
        return
    letters = SqliteDeadLetters(folder.dead_letters)
    try:
        yield letters
    finally:
        letters.close()


def _described(stored: StoredLetter) -> dict[str, Any]:
    letter = stored.letter
    return {
        "partition": letter.partition, "offset": letter.offset, "reason": letter.reason,
        "error": letter.error, "attempt": stored.attempt, "received_at": letter.received_at,
        "replayed_at": stored.replayed_at, "bytes": len(letter.body),
    }  # fmt: skip


@app.command("list")
def list_letters(
    data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """List dead letters in log order. Example: `freshet dead-letters list --json`"""
    with _letters(bootstrap.folder_of(settings_for(config, data_dir))) as letters:
        for stored in letters.letters() if letters else ():
            show(_described(stored), as_json)


@app.command("show")
def show_letter(
    offset: Offset, data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """Show one letter with its original bytes (as text where they are, else in base64)."""
    with _letters(bootstrap.folder_of(settings_for(config, data_dir))) as letters:
        stored = _find(letters, offset)
        try:
            body = {"body": stored.letter.body.decode()}
        except UnicodeDecodeError:
            body = {"body_base64": base64.b64encode(stored.letter.body).decode()}
        show({**_described(stored), **body}, as_json)


@app.command()
def replay(
    offset: Annotated[int | None, typer.Argument(min=0, help="One letter; default all.")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Append letters to the log once more, as imports (lateness and caps do not apply).

    For letters whose cause is gone; the server must be stopped. What still cannot be
    learned becomes a new letter.
    """
    folder = bootstrap.folder_of(settings_for(config, data_dir))
    with FolderLock(folder), _letters(folder) as letters:
        chosen = [_find(letters, offset)] if offset is not None else list(_waiting(letters))
        log = SqliteLog(folder.log)
        try:
            for stored in chosen:
                log.append([NewRecord(stored.letter.body, imported=True)])
                if letters is not None:
                    letters.mark_replayed(stored.letter.partition, stored.letter.offset)
        finally:
            log.close()
    console.print(f"{len(chosen)} letters appended; the next start learns what it can of them")


def _waiting(letters: SqliteDeadLetters | None) -> Iterator[StoredLetter]:
    for stored in letters.letters() if letters else ():
        if stored.replayed_at is None:
            yield stored


def _find(letters: SqliteDeadLetters | None, offset: int) -> StoredLetter:
    for stored in letters.letters() if letters else ():
        if stored.letter.offset == offset:
            return stored
    raise StreamError(f"there is no dead letter at offset {offset}")
