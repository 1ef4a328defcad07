"""Models of River's in the configuration: what is wrong with one is named, and the start ends."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from config.cli.main import main
from config.errors import ConfigError
from config.load import load

KEY = "learning.river.mf"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('class = "reco.BiassedMF"\nrole = "rating"', f"{KEY}.class: is no class"),
        ('class = "recco.BiasedMF"\nrole = "rating"', "did you mean reco.BiasedMF?"),
        ('class = "reco.BiasedMF"\nrole = "ratting"', "role: is no role; did you mean rating?"),
        ('class = "reco.BiasedMF"\nrolle = "rating"', f"{KEY}.rolle is not a setting; did you"),
        ('class = "reco.BiasedMF"', f"{KEY}: object missing required field role"),
        ('role = "rating"', f"{KEY}: object missing required field class"),
        ('class = "reco.BiasedMF"\nrole = "rating"\nparameters = { n_facters = 3 }',
         f"{KEY}.parameters.n_facters: is no parameter of BiasedMF; did you mean n_factors?"),
        ('class = "os.system"\nrole = "rating"', f"{KEY}.class: must be the path"),
        ('class = "preprocessing.StandardScaler"\nrole = "ranker"', f"{KEY}.class: must be a"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_the_nearest_that_is_known(
    lines: str, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "freshet.toml"
    right = '[learning.river.other]\nclass = "reco.Baseline"\nrole = "rating"\n'
    file.write_text(f"{right}[{KEY}]\n{lines}\n[learning.events.lent]\nweight = 1\n")
    with pytest.raises(ConfigError) as raised:
        load(file=file, environ={})
    assert said in str(raised.value)


def test_the_command_ends_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("freshet.toml").write_text(f'[{KEY}]\nclass = "reco.BiassedMF"\nrole = "rating"\n')
    monkeypatch.setattr(sys, "argv", ["freshet", "run", "--demo", "none"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert f"{KEY}.class" in (err := capsys.readouterr().err) and "reco.BiasedMF" in err
    assert not Path("data").exists()
