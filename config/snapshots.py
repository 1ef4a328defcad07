"""Where a namespace of the cluster keeps its state."""

from __future__ import annotations

from pathlib import Path

from config.errors import ConfigError
from config.settings import Settings
from stream.errors import StreamError
from stream.files.remote_snapshots import RemoteSnapshots
from stream.files.snapshots import FolderSnapshots
from stream.ports import SnapshotStore


def stored_snapshots(settings: Settings, namespace: str, read_only: bool) -> SnapshotStore:
    """The namespace's part of `worker.snapshots`.

    Raises ConfigError for an URL nobody can open, StreamError for what is not writable.
    """
    place = f"{settings.worker.snapshots.rstrip('/')}/{namespace}"
    try:
        if "://" in place:
            return RemoteSnapshots(place, read_only)
        return FolderSnapshots(Path(place), read_only, shared=True)
    except (ValueError, ImportError) as error:
        raise ConfigError(f"worker.snapshots: {place} cannot be opened ({error})") from None
    except OSError as error:
        raise StreamError(
            f"worker.snapshots: {place} cannot be written ({error.strerror or error}); "
            "choose a folder or an URL that all workers may write and API processes read"
        ) from None
