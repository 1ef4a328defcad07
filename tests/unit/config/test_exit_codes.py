"""What the command says and ends with when it is used wrongly."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.cli.main import main
from config.cli.verbs import VERBS
from config.load import load
from stream.files.folder import DataFolder, FolderLock

NO_RULES = {"FRESHET_ALERTS__RULES": "gone.toml"}


def freshet(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Run a verb in this process; exit code, stdout, stderr."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["freshet", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out, told.err


@pytest.mark.parametrize(
    ("arguments", "environ", "said"),
    [
        (["config", "check"], {"FRESHET_API__PROT": "1"}, "api.prot is not a setting; did you"),
        (["config", "check"], {"FRESHET_API__PORT": "x"}, "api.port: expected int"),
        (["config", "check"], {"FRESHET_CONFIG": "gone.toml"}, "gone.toml does not exist"),
        (["run", "--port", "99999"], {}, "api.port"),
        (["run", "--demo", "nothing"], {}, "--demo"),
        (["no-such-verb"], {}, "no-such-verb"),
        (["rebuild", "--batch-size", "0"], {}, "--batch-size"),
        (["config", "check"], NO_RULES, "alerts.rules: gone.toml cannot be read"),
        (["run", "--demo", "none", "--port", "0"], NO_RULES, "alerts.rules: gone.toml cannot be"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what(
    arguments: list[str],
    environ: dict[str, str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    code, out, err = freshet(*arguments, capsys=capsys)
    assert code == 2, err
    assert said in err
    assert not out
    assert not Path("freshet-data").exists()


def test_help_names_every_verb_and_waits_for_none_of_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = freshet("--help", capsys=capsys)
    assert code == 0
    assert {line.split()[1] for line in out.splitlines() if line.startswith("│ ")} >= set(VERBS)
    program = "import sys, config.cli.main as m; sys.argv[1:] = ['--help']; m.main()"
    heavy = "{'numba', 'numpy', 'river', 'starlette', 'uvicorn'} & set(sys.modules)"
    told = (
        f"import atexit, sys; atexit.register(lambda: print({heavy}, file=sys.stderr)); {program}"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True)
    assert done.stderr.strip() == "set()"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_tells_how_it_is_used(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = freshet(verb, "--help", capsys=capsys)
    assert code == 0
    assert f"freshet {verb} " in out or f" {verb} [OPTIONS]" in out
    assert "_elsewhere" not in out and "Stands for a verb" not in out


@pytest.mark.parametrize("verb", ["evaluate", "ingest", "replay"])
def test_help_is_whole_in_a_narrow_terminal(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def words(columns: str) -> str:
        monkeypatch.setenv("COLUMNS", columns)
        told = freshet(verb, "--help", capsys=capsys)[1]
        return "".join(sorted("".join(told.replace("│", "").replace("─", "").split())))

    assert words("80") == words("300")


def test_settings_that_are_right_end_with_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "freshet.toml").write_text("[api]\nport = 8001\n")
    assert freshet("config", "check", capsys=capsys)[0] == 0


def test_settings_that_are_shown_are_read_back_as_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "mine.toml"
    mine.write_text(
        '[core]\ndata_dir = "a \\"folder\\" of ours"\n[learning.events.lent]\nweight = 0.25\n'
        '[learning.river.simple]\nclass = "reco.Baseline"\nrole = "rating"\n'
    )
    code, out, _ = freshet("config", "show", "--config", str(mine), capsys=capsys)
    assert code == 0
    (tmp_path / "freshet.toml").write_text(out)
    assert load(environ={}) == load(file=mine, environ={})


@pytest.mark.parametrize(
    "verb",
    ["state", "snapshots list", "snapshots verify", "dead-letters list", "dead-letters replay"],
)
def test_what_is_not_there_ends_with_1(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = freshet(*verb.split(), "--data-dir", "nowhere", capsys=capsys)
    assert (code, out) == (1, "")
    assert "nowhere holds no log; is --data-dir right?" in err
    assert not Path("nowhere").exists()


def test_a_folder_in_use_ends_with_2_and_names_the_holder(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    command = ["run", "--demo", "none", "--port", "0", "--data-dir", "data"]
    with FolderLock(DataFolder(tmp_path / "data")):
        done = subprocess.run(
            [sys.executable, "-m", "config.cli.main", *command], cwd=tmp_path, text=True,
            capture_output=True, timeout=120, env={**os.environ, "PYTHONPATH": str(root)},
        )  # fmt: skip
    assert done.returncode == 2
    assert f"pid {os.getpid()}" in done.stderr and "Traceback" not in done.stderr
