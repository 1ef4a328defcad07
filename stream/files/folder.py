"""The data folder of the embedded mode: where things lie, and who holds it."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from stream.errors import FolderInUse


@dataclass(frozen=True)
class DataFolder:
    """Paths inside a data folder."""

    root: Path

    @property
    def log(self) -> Path:
        return self.root / "log.sqlite"

    @property
    def snapshots(self) -> Path:
        return self.root / "snapshots"

    @property
    def dead_letters(self) -> Path:
        return self.root / "dead" / "letters.sqlite"

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    @property
    def lock(self) -> Path:
        return self.root / "LOCK"


class FolderLock:
    """Holds a data folder for one writing process; the kernel lets go when the process ends."""

    def __init__(self, folder: DataFolder) -> None:
        folder.root.mkdir(parents=True, exist_ok=True)
        self._file = open(folder.lock, "a+")  # noqa: SIM115 - held open as long as the lock
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            holder = self._file.read(64).strip() or "unknown"
            self._file.close()
            raise FolderInUse(
                f"{folder.root} is in use by another freshet process (pid {holder}); "
                "stop that one, send to it with --url, or choose another --data-dir"
            ) from None
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def release(self) -> None:
        self._file.close()

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
