"""Fetching data sets: pip's command line, wrong downloads, no network, terms."""

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from producers import datasets
from producers.errors import DatasetUnavailable, OptionError
from producers.wheel import PinnedWheel, download

PINNED = PinnedWheel("recbole==1.2.1", "ab" * 32)


class Pip:
    """Stands in for the pip process and remembers what it was asked."""

    def __init__(self, code: int = 0, stderr: str = "", leaves: str | None = "a.whl") -> None:
        self.code, self.stderr, self.leaves = code, stderr, leaves
        self.command: list[str] = []
        self.requirements = ""
        self.environment: dict[str, str] = {}

    def __call__(self, command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        self.command = command
        self.environment = options["env"]
        folder = Path(command[command.index("--dest") + 1])
        self.requirements = Path(command[command.index("--requirement") + 1]).read_text()
        if self.leaves:
            (folder / self.leaves).write_bytes(b"")
        return subprocess.CompletedProcess(command, self.code, "", self.stderr)


def test_pip_is_asked_for_the_pinned_wheel_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip = Pip()
    monkeypatch.setattr("producers.wheel.subprocess.run", pip)
    assert download(PINNED, tmp_path) == tmp_path / "a.whl"
    assert pip.command[:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--require-hashes"} <= set(pip.command)
    assert not any("://" in word or "index" in word for word in pip.command)
    assert pip.requirements == f"recbole==1.2.1 --hash=sha256:{'ab' * 32}\n"


def test_an_environment_without_pip_borrows_the_one_python_brings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip = Pip()
    monkeypatch.setattr("producers.wheel.subprocess.run", pip)
    monkeypatch.setattr("producers.wheel.importlib.util.find_spec", lambda name: None)
    (tmp_path / "python" / "_bundled").mkdir(parents=True)
    (tmp_path / "python" / "_bundled" / "pip-1-py3-none-any.whl").write_bytes(b"")
    monkeypatch.setattr("producers.wheel.ensurepip.__file__", str(tmp_path / "python" / "x.py"))
    download(PINNED, tmp_path)
    assert pip.environment["PYTHONPATH"].endswith("pip-1-py3-none-any.whl")


@pytest.mark.parametrize(
    ("pip", "reason"),
    [
        (Pip(1, "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", None), "digest differs"),
        (Pip(1, "No matching distribution found at https://u:secret@x", None), "no package index"),
        (Pip(1, "/bin/python: No module named pip", None), "has no pip"),
        (Pip(2, "secret", None), "pip failed"),
        (Pip(0, "", None), "without a file"),
    ],
)
def test_a_failing_pip_is_explained_without_its_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pip: Pip, reason: str
) -> None:
    monkeypatch.setattr("producers.wheel.subprocess.run", pip)
    with pytest.raises(DatasetUnavailable, match=reason) as caught:
        datasets.get("ml-100k", tmp_path)
    assert "recbole==1.2.1" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert list((tmp_path / "ml-100k").iterdir()) == []


def test_a_pip_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[str], **options: Any) -> None:
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr("producers.wheel.subprocess.run", hang)
    with pytest.raises(DatasetUnavailable, match="took more than"):
        download(PINNED, tmp_path)


def fetched(content: dict[str, bytes] | bytes) -> datasets.Fetch:
    def fetch(pinned: PinnedWheel, folder: Path) -> Path:
        path = folder / "any.whl"
        if isinstance(content, bytes):
            path.write_bytes(content)
            return path
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in content.items():
                archive.writestr(name, data)
        return path

    return fetch


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no archive", "not the package"),
        ({"other": b""}, "not the package"),
        ({"recbole/dataset_example/ml-100k/ml-100k.inter": b"1"}, "not the file"),
    ],
)
def test_a_wrong_download_leaves_nothing(
    tmp_path: Path, content: dict[str, bytes] | bytes, reason: str
) -> None:
    with pytest.raises(DatasetUnavailable, match=reason):
        datasets.get("ml-100k", tmp_path, fetch=fetched(content))
    assert list((tmp_path / "ml-100k").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetUnavailable, match="could not be stored"):
        datasets.get("ml-100k", tmp_path / "file")


def test_names_and_terms() -> None:
    assert [name for name, _ in datasets.available()] == ["ml-100k"]
    terms = datasets.terms("ml-100k")
    for words in ("GroupLens", "University of Minnesota", "Harper", "redistributed", "endorsement"):
        assert words in terms
    with pytest.raises(OptionError, match="there are: ml-100k"):
        datasets.terms("ml-1m")
    with pytest.raises(OptionError, match="ml-1m"):
        datasets.get("ml-1m", Path("unused"))
