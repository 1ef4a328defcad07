"""Keys, scopes, rates, hosts and origins: who is let in, and what the others are told."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api import keys
from api.app import create_app
from api.guard import Front, Guard, Rates
from api.keys import Key, KeyFile, KeyRing, KeysUnreadable, Scope, UnknownKey
from tests.unit.api.conftest import Caller, FakeService

EVENT = {"type": "view", "user_id": "ann", "item_id": "tea"}
LIST = "/v1/users/ann/recommendations"
Make = Callable[[Front], Caller]


@pytest.fixture
def make(service: FakeService) -> Iterator[Make]:
    made: list[Caller] = []

    def of(front: Front) -> Caller:
        made.append(Caller(create_app(service, front=front)))
        return made[-1]

    yield of
    for call in made:
        call.close()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeyFile:
    monkeypatch.setattr(keys, "_LOOK_S", 0.0)
    return KeyFile(tmp_path / "keys.json")


def guarded(file: KeyFile, **rates: str) -> Front:
    return Front(Guard(KeyRing(file), Rates(**rates)))


def header(name: str, value: str) -> dict[str, Any]:
    return {name: value}


def text_of(file: KeyFile, *scopes: Scope) -> str:
    return file.create(scopes)[1]


def test_without_keys_everybody_is_let_in(file: KeyFile, make: Make) -> None:
    assert make(guarded(file))("GET", LIST).status_code == 200


@pytest.mark.parametrize("scheme", ["authorization", "x_api_key"])
def test_a_key_opens_what_its_scope_allows(file: KeyFile, make: Make, scheme: str) -> None:
    texts = {scope: text_of(file, scope) for scope in ("read", "write", "admin")}
    call = make(guarded(file))

    def said(scope: str, method: str, target: str, json: object = None) -> int:
        given = texts[scope] if scheme == "x_api_key" else f"bearer {texts[scope]}"
        return call(method, target, json, **header(scheme, given)).status_code

    assert [said(scope, "GET", LIST) for scope in texts] == [200, 403, 200]
    assert [said(scope, "GET", "/metrics") for scope in texts] == [200, 403, 200]
    assert [said(scope, "POST", "/v1/events", EVENT) for scope in texts] == [403, 202, 202]
    old = [said(scope, "POST", "/v1/events?import=true", EVENT) for scope in texts]
    assert old == [403, 403, 202]


@pytest.mark.parametrize("given", ["", "fr_", "fr_00000000_x", "Bearer", "é", "fr__"])
def test_who_has_no_key_is_told_how_to_send_one(file: KeyFile, make: Make, given: str) -> None:
    text_of(file, "read")
    call = make(guarded(file))
    headers = header("x_api_key", given) if given else {}
    error = call.refused(401, None, "GET", LIST, **headers)
    assert error["code"] == "unauthorized"
    assert given not in error["message"] or not given
    assert call("GET", LIST, **headers).headers["www-authenticate"] == "Bearer"


def test_a_key_with_another_secret_is_refused(file: KeyFile, make: Make) -> None:
    text = text_of(file, "read")
    call = make(guarded(file))
    call.refused(401, None, "GET", LIST, x_api_key=text[:-1] + ("a" if text[-1] != "a" else "b"))


@pytest.mark.parametrize("target", ["/livez", "/readyz", "/", "/page/static/app.js"])
def test_probes_and_the_shell_of_the_page_need_no_key(
    file: KeyFile, make: Make, target: str
) -> None:
    text_of(file, "read")
    assert make(guarded(file))("GET", target).status_code == 200


def test_keys_rotate_under_a_running_server(file: KeyFile, make: Make) -> None:
    old, old_text = file.create(("read",))
    call = make(guarded(file))
    new = text_of(file, "read")
    assert [call("GET", LIST, x_api_key=text).status_code for text in (old_text, new)] == [200] * 2
    file.revoke(old.id)
    assert call("GET", LIST, x_api_key=new).status_code == 200
    call.refused(401, None, "GET", LIST, x_api_key=old_text)


def test_revoking_the_last_key_does_not_open_the_door(file: KeyFile, make: Make) -> None:
    key, text = file.create(("admin",))
    call = make(guarded(file))
    file.revoke(key.id)
    call.refused(401, None, "GET", LIST, x_api_key=text)


def test_a_first_key_closes_the_door_of_a_running_server(file: KeyFile, make: Make) -> None:
    call = make(guarded(file))
    assert call("GET", LIST).status_code == 200
    text = text_of(file, "read")
    call.refused(401, None, "GET", LIST)
    assert call("GET", LIST, x_api_key=text).status_code == 200


def test_a_file_that_breaks_leaves_the_keys_as_they_were(file: KeyFile, make: Make) -> None:
    text = text_of(file, "read")
    call = make(guarded(file))
    file.path.write_text("{")
    assert call("GET", LIST, x_api_key=text).status_code == 200
    call.refused(401, None, "GET", LIST)
    with pytest.raises(KeysUnreadable):
        KeyRing(file)


def test_a_file_that_could_not_be_read_for_a_moment_is_read_again(
    file: KeyFile, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, text = file.create(("read",))
    call = make(guarded(file))
    file.revoke(old.id)
    with pytest.MonkeyPatch.context() as patch:

        def exhausted(self: Path) -> bytes:
            raise OSError(24, "Too many open files")

        patch.setattr(Path, "read_bytes", exhausted)
        assert call("GET", LIST, x_api_key=text).status_code == 200
    call.refused(401, None, "GET", LIST, x_api_key=text)


def test_a_file_left_behind_does_not_lend_its_mode(file: KeyFile) -> None:
    aside = file.path.with_suffix(".new")
    aside.write_text("")
    aside.chmod(0o666)
    file.create(("read",))
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_the_file_holds_no_secret_and_is_the_owners(file: KeyFile) -> None:
    text = text_of(file, "read")
    assert text.split("_", 2)[2] not in file.path.read_text()
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    with pytest.raises(UnknownKey):
        file.revoke("00000000")


def test_admin_is_allowed_everything() -> None:
    key = Key(id="1", scopes=("admin",), sha256="", created_at=0.0)
    assert all(key.allows(scope) for scope in ("read", "write", "admin"))


@pytest.mark.parametrize("which", ["per_key", "per_address"])
def test_who_asks_too_often_is_told_to_wait(file: KeyFile, make: Make, which: str) -> None:
    one, two = text_of(file, "read"), text_of(file, "read")
    call = make(guarded(file, **{which: "3/hour"}))
    assert [call("GET", LIST, x_api_key=one).status_code for _ in range(3)] == [200] * 3
    error = call.refused(429, None, "GET", LIST, x_api_key=one)
    assert error["code"] == "too_many_requests"
    assert 1 <= int(call("GET", LIST, x_api_key=one).headers["retry-after"]) <= 3600
    assert call("GET", LIST, x_api_key=two).status_code == (200 if which == "per_key" else 429)
    assert call("GET", "/livez").status_code == 200, "probes are not counted"


def test_a_host_of_somebody_else_is_refused(make: Make) -> None:
    call = make(Front(hosts=("localhost", "[::1]")))
    for host in ("localhost", "localhost:8000", "LOCALHOST", "[::1]:80", "[::1]"):
        assert call("GET", "/livez", host=host).status_code == 200
    for host in ("evil.example", "localhost.evil.example:80", "", "localhost:x"):
        assert call.refused(421, None, "GET", "/livez", host=host)["code"] == "misdirected"


def test_pages_elsewhere_may_ask_only_where_they_are_listed(make: Make) -> None:
    shop = "https://shop.example"
    call = make(Front(origins=(shop,)))
    asked = {**header("origin", shop), **header("access_control_request_method", "POST")}
    allowed = call("OPTIONS", "/v1/events", **asked)
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == shop
    refused = call("OPTIONS", "/v1/events", **{**asked, "origin": "https://evil.example"})
    assert "access-control-allow-origin" not in refused.headers
    assert "access-control-allow-origin" not in make(Front())("GET", LIST, origin=shop).headers
