"""`freshet settings apply` on a data folder."""

import json
import sys
from pathlib import Path

import pytest

from config import bootstrap
from config.cli.main import main
from config.load import load
from stream.files.folder import DataFolder, FolderLock


def apply(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, **more: str
) -> tuple[int, str]:
    """Exit code, and stdout or what was said instead."""
    with monkeypatch.context() as patch:
        command = ["freshet", "settings", "apply", "--data-dir", str(folder), "--json"]
        patch.setattr(sys, "argv", command)
        for name, value in more.items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out or told.err


def test_a_folder_goes_on_under_what_was_applied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    code, said = apply(folder, capsys, monkeypatch)
    assert (code, "holds no log" in said) == (1, True)
    settings = load({"core.data_dir": str(folder)}, environ={})
    bootstrap.embedded(settings).close()
    code, said = apply(folder, capsys, monkeypatch, FRESHET_LEARNING__REPEATS="true")
    assert (code, json.loads(said)) == (0, {"changed": ["learning.repeats"]})
    code, said = apply(folder, capsys, monkeypatch, FRESHET_LEARNING__REPEATS="true")
    assert (code, json.loads(said)) == (0, {"changed": []})
    learner = bootstrap.reader(settings, snapshots=False)
    while learner.learn(100):
        pass
    assert learner.stage.model.settings.repeats
    code, said = apply(folder, capsys, monkeypatch, FRESHET_LEARNING__CONTENT__DIMS="32")
    assert (code, "learning.content.dims" in said) == (2, True)
    with FolderLock(DataFolder(folder)):
        assert apply(folder, capsys, monkeypatch)[0] == 2
