"""`freshet dead-letters`: what could not be learned, why, and sending it again."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Annotated, Any

import typer

from config import bootstrap
from config.cli.options import AsJson, ConfigFile, DataDir, console, settings_for, show
from config.producing import link_of, log_of, topics_of
from config.settings import Settings
from stream.errors import StreamError
from stream.files.folder import DataFolder, FolderLock
from stream.kafka.dead_letters import KafkaDeadLetters
from stream.ports import DeadLetters, StoredLetter
from stream.records import NewRecord
from stream.sqlite.dead_letters import SqliteDeadLetters
from stream.sqlite.log import SqliteLog

app = typer.Typer(help="List, show, replay and drop dead letters.", no_args_is_help=True)

Offset = Annotated[int, typer.Argument(min=0, help="The record's position in the log.")]
Partition = Annotated[
    int | None, typer.Option(min=0, help="Its partition, where two have that position.")
]
Bootstrap = Annotated[
    str | None, typer.Option("--kafka", help="The cluster's: brokers as HOST:PORT,…")
]


@contextmanager
def _letters(
    config: ConfigFile, data_dir: str | None, kafka: str | None
) -> Iterator[DeadLetters | None]:
    settings = settings_for(config, data_dir, kafka__bootstrap=kafka)
    letters = _of_cluster(settings) if kafka else _of_folder(bootstrap.begun_folder(settings))
    try:
        yield letters
    finally:
        if letters is not None:
            letters.close()


def _of_cluster(settings: Settings) -> DeadLetters:
    return KafkaDeadLetters(link_of(settings), topics_of(settings).dead)


def _of_folder(folder: DataFolder) -> DeadLetters | None:
    return SqliteDeadLetters(folder.dead_letters) if folder.dead_letters.exists() else None


def _described(stored: StoredLetter) -> dict[str, Any]:
    letter = stored.letter
    return {
        "partition": letter.partition, "offset": letter.offset, "reason": letter.reason,
        "error": letter.error, "attempt": stored.attempt, "received_at": letter.received_at,
        "replayed_at": stored.replayed_at, "bytes": len(letter.body),
    }  # fmt: skip


@app.command("list")
def list_letters(
    data_dir: DataDir = None,
    kafka: Bootstrap = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters in log order. Example: `freshet dead-letters list --json`"""
    with _letters(config, data_dir, kafka) as letters:
        for stored in letters.letters() if letters else ():
            show(_described(stored), as_json)


@app.command("show")
def show_letter(
    offset: Offset,
    partition: Partition = None,
    data_dir: DataDir = None,
    kafka: Bootstrap = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show one letter with its original bytes (as text where they are, else in base64)."""
    with _letters(config, data_dir, kafka) as letters:
        stored = _find(letters, offset, partition)
        try:
            body = {"body": stored.letter.body.decode()}
        except UnicodeDecodeError:
            body = {"body_base64": base64.b64encode(stored.letter.body).decode()}
        show({**_described(stored), **body}, as_json)


@app.command()
def replay(
    offset: Annotated[int | None, typer.Argument(min=0, help="One letter; default all.")] = None,
    partition: Partition = None,
    data_dir: DataDir = None,
    kafka: Bootstrap = None,
    config: ConfigFile = None,
) -> None:
    """Append letters to the log once more, as imports (lateness and caps do not apply).

    For letters whose cause is gone; an embedded server must be stopped, a cluster goes on.
    What still cannot be learned becomes a new letter.
    """
    settings = settings_for(config, data_dir, kafka__bootstrap=kafka)
    folder = bootstrap.folder_of(settings) if kafka else bootstrap.begun_folder(settings)
    with (
        nullcontext() if kafka else FolderLock(folder),
        _letters(config, data_dir, kafka) as letters,
    ):
        chosen = [_find(letters, offset, partition)] if offset is not None else _waiting(letters)
        if kafka:
            _publish(settings, chosen)
        else:
            _append(folder, chosen)
        if letters is not None:
            for stored in chosen:
                letters.mark_replayed(stored.letter.partition, stored.letter.offset)
    console.print(f"{len(chosen)} letters appended; what can be learned of them will be")


@app.command()
def drop(
    offset: Offset,
    partition: Partition = None,
    data_dir: DataDir = None,
    kafka: Bootstrap = None,
    config: ConfigFile = None,
) -> None:
    """Take a letter out of the list for good. The log keeps the record it came from."""
    with _letters(config, data_dir, kafka) as letters:
        letter = _find(letters, offset, partition).letter
        if letters is not None:
            letters.drop(letter.partition, letter.offset)
    console.print(f"dropped the letter of partition {letter.partition}, offset {letter.offset}")


def _append(folder: DataFolder, chosen: list[StoredLetter]) -> None:
    log = SqliteLog(folder.log)
    try:
        for stored in chosen:
            log.append([NewRecord(stored.letter.body, imported=True)])
    finally:
        log.close()


def _publish(settings: Settings, chosen: list[StoredLetter]) -> None:
    from producers.letters import send_again
    from producers.publisher import Publisher

    log = log_of(settings)
    with Publisher(link_of(settings)) as publisher:
        for stored in chosen:
            send_again(publisher, log, stored.letter)
        publisher.flush()


def _waiting(letters: DeadLetters | None) -> list[StoredLetter]:
    return [one for one in letters.letters() if one.replayed_at is None] if letters else []


def _find(letters: DeadLetters | None, offset: int, partition: int | None) -> StoredLetter:
    found = [
        stored for stored in (letters.letters() if letters else ())
        if stored.letter.offset == offset and partition in (None, stored.letter.partition)
    ]  # fmt: skip
    if not found:
        raise StreamError(f"there is no dead letter at offset {offset}")
    if len(found) > 1:
        places = ", ".join(str(stored.letter.partition) for stored in found)
        raise StreamError(f"partitions {places} have a letter at {offset}: name one, --partition")
    return found[0]
