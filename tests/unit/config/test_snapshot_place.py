"""`worker.snapshots`: a folder or an fsspec URL; one that cannot be used stops the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.cluster import Parts
from config.errors import ConfigError
from config.load import load
from stream.errors import StreamError
from stream.files.remote_snapshots import RemoteSnapshots
from stream.files.snapshots import FolderSnapshots


def parts(place: str) -> Parts:
    return Parts(load(environ={"FRESHET_WORKER__SNAPSHOTS": place}))


def test_a_path_is_a_folder_and_an_url_goes_through_fsspec(tmp_path: Path) -> None:
    assert isinstance(parts(str(tmp_path)).stored_snapshots(), FolderSnapshots)
    assert isinstance(parts(tmp_path.as_uri()).stored_snapshots(), RemoteSnapshots)
    assert isinstance(parts("memory://freshet").stored_snapshots(), RemoteSnapshots)


@pytest.mark.parametrize("url", [False, True])
def test_what_cannot_be_written_is_refused_with_the_remedy(url: bool, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    place = tmp_path / "file"
    with pytest.raises(StreamError, match=r"cannot be written.*choose a folder or an URL"):
        parts(place.as_uri() if url else str(place)).snapshots()


def test_an_unknown_protocol_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigError, match=r"worker.snapshots: gopher://"):
        parts("gopher://x").snapshots()
