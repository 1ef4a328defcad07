"""Changing over from one key to the next, while a real server answers."""

from __future__ import annotations

import time

import httpx

from api.keys import KeyFile
from tests.chaos.conftest import Server

LIST = "/v1/users/u/recommendations"


def test_both_keys_are_good_until_the_old_one_is_revoked(server: Server) -> None:
    file = KeyFile(server.folder / "keys.json")
    old, old_text = file.create(("read",))
    server.start()
    with httpx.Client(base_url=server.url, timeout=60) as http:

        def said(text: str) -> int:
            return http.get(LIST, headers={"x-api-key": text}).status_code

        assert (said(old_text), said("")) == (200, 401)
        new_text = file.create(("read",))[1]
        until = time.monotonic() + 60
        while said(new_text) != 200:
            assert said(old_text) == 200
            assert time.monotonic() < until
            time.sleep(0.05)
        for _ in range(20):
            assert [said(old_text), said(new_text)] == [200, 200]
        file.revoke(old.id)
        while said(old_text) != 401:
            assert said(new_text) == 200, "the new key was refused"
            assert time.monotonic() < until
            time.sleep(0.05)
        assert said(new_text) == 200
    for text in (old_text, new_text):
        assert text.split("_", 2)[2] not in server.output()
