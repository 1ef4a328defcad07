"""`freshet snapshots`: what has been saved, and whether it can be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from config import bootstrap
from config.cli.options import AsJson, ConfigFile, DataDir, settings_for, show
from stream.errors import SnapshotCorrupt
from stream.files.snapshots import FolderSnapshots
from stream.learner import MODEL, PROFILES
from stream.ports import SnapshotName

app = typer.Typer(help="List and verify snapshots.", no_args_is_help=True)


def _store(config: Path | None, data_dir: str | None) -> FolderSnapshots:
    folder = bootstrap.begun_folder(settings_for(config, data_dir))
    return FolderSnapshots(folder.snapshots, read_only=True)


def _described(name: SnapshotName) -> dict[str, Any]:
    path = Path(name.path)
    return {
        "stage": name.stage, "position": name.position,
        "bytes": path.stat().st_size, "file": path.name,
    }  # fmt: skip


@app.command("list")
def list_snapshots(
    data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """List snapshots, newest first. Example: `freshet snapshots list --json`"""
    store = _store(config, data_dir)
    for stage in (MODEL, PROFILES):
        for name in store.names(stage):
            show(_described(name), as_json)


@app.command()
def verify(data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Read every snapshot and check its sum; exit 1 if one is damaged."""
    store, damaged = _store(config, data_dir), 0
    for stage in (MODEL, PROFILES):
        for name in store.names(stage):
            try:
                store.read(name)
                verdict = "valid"
            except SnapshotCorrupt as error:
                verdict, damaged = str(error), damaged + 1
            show({**_described(name), "verdict": verdict}, as_json)
    if damaged:
        raise typer.Exit(1)
