"""`freshet settings apply` on a data folder."""

import json
import sys
from pathlib import Path

import pytest

from api.app import create_app
from config import bootstrap
from config.cli.main import main
from config.load import load
from deploy.local.processes import free_port
from stream.files.folder import DataFolder, FolderLock
from tests.http_threads import in_a_thread


def apply(
    place: Path | str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    **more: str,
) -> tuple[int, str]:  # fmt: skip
    """Exit code, and stdout or what was said instead; `place` is a folder or a URL."""
    with monkeypatch.context() as patch:
        flag = "--url" if isinstance(place, str) else "--data-dir"
        command = ["freshet", "settings", "apply", flag, str(place), "--json"]
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


def test_a_running_server_goes_on_under_what_was_applied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load({"core.data_dir": str(tmp_path)}, environ={})
    running = bootstrap.embedded(settings)
    running.service.catch_up()
    running.service.start()
    try:
        with in_a_thread(create_app(running.service)) as url:
            weight = {"FRESHET_LEARNING__EXPLORATION__SHARE": "0.01"}
            code, said = apply(url, capsys, monkeypatch, **weight)
            assert (code, json.loads(said)) == (0, {"changed": ["learning.exploration.share"]})
            code, said = apply(url, capsys, monkeypatch, **weight)
            assert (code, json.loads(said)) == (0, {"changed": []})
            code, said = apply(url, capsys, monkeypatch, FRESHET_LEARNING__CONTENT__DIMS="32")
            assert (code, "learning.content.dims" in said) == (2, True)
    finally:
        running.close()
    rebuilt = bootstrap.reader(settings, snapshots=False)
    while rebuilt.learn(100):
        pass
    assert rebuilt.stage.model.settings.exploration.share == 0.01
    code, said = apply(f"http://127.0.0.1:{free_port()}", capsys, monkeypatch)
    assert (code, "no Freshet answers" in said) == (1, True)
