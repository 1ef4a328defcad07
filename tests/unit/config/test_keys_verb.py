"""`freshet keys`, and the addresses that are not listened on without one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from config.cli.main import main
from config.errors import ConfigError
from config.front import front
from config.load import load


def freshet(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["freshet", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out, told.err


def test_a_key_is_shown_once_listed_and_revoked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    scopes = ("--scope", "read", "--scope", "write")
    code, out, err = freshet("keys", "create", *scopes, "--json", capsys=capsys)
    made = json.loads(out)
    assert code == 0
    assert set(made) == {"id", "key", "scopes"}
    assert made["scopes"] == ["read", "write"]
    assert made["key"] not in err
    listed = json.loads(freshet("keys", "list", "--json", capsys=capsys)[1])
    assert (listed["id"], listed["scopes"]) == (made["id"], made["scopes"])
    assert made["key"] not in json.dumps(listed)
    assert freshet("keys", "revoke", made["id"], capsys=capsys)[0] == 0
    assert freshet("keys", "list", "--json", capsys=capsys)[1] == ""
    assert freshet("keys", "revoke", made["id"], capsys=capsys)[0] == 2
    assert freshet("keys", "create", "--scope", "all", capsys=capsys)[0] == 2


def settings(tmp_path: Path, host: str, **more: str) -> dict[str, object]:
    return {"core.data_dir": str(tmp_path), "api.host": host, **more}


@pytest.mark.parametrize("verb", ["run", "api"])
def test_an_address_others_can_reach_is_refused_without_a_key(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = freshet(verb, "--host", "0.0.0.0", "--port", "0", capsys=capsys)
    assert code in (1, 2)
    if verb == "run":
        assert code == 2
        assert "freshet keys create" in err
        assert not (tmp_path / "freshet-data" / "log.sqlite").exists()


def test_a_key_or_a_word_opens_the_address(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ConfigError, match=r"api\.host"):
        front(load(settings(tmp_path, "0.0.0.0"), environ={}))
    open_to_all = {"FRESHET_API__ALLOW_OPEN": "true"}
    front(load(settings(tmp_path, "0.0.0.0"), environ=open_to_all))
    assert "open to everybody" in caplog.text
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        patch.setattr(sys, "argv", ["freshet", "keys", "create", "--scope", "read",
                                    "--data-dir", str(tmp_path)])  # fmt: skip
        with pytest.raises(SystemExit):
            main()
    caplog.clear()
    front(load(settings(tmp_path, "0.0.0.0"), environ={}))
    assert not caplog.text


def test_loopback_answers_to_its_own_names_only(tmp_path: Path) -> None:
    assert "localhost" in front(load(settings(tmp_path, "127.0.0.1"), environ={})).hosts
    named = {"FRESHET_API__TRUSTED_HOSTS": "shop.example"}
    assert front(load(settings(tmp_path, "127.0.0.1"), environ=named)).hosts == ("shop.example",)


def test_a_rate_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"api\.rate_per_key"):
        load({"api.rate_per_key": "many"}, environ={})
