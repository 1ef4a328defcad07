"""Sentences in a running system: a new item among its likes at once, and a rebuild the same."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec import structs

from api.app import create_app
from config import bootstrap
from config.cli.main import main
from config.errors import ConfigError
from config.load import load
from models import sentences
from models.errors import ExtraMissing
from models.settings import Content
from producers.direct import Direct
from stream.learner import Learner
from tests.http_threads import in_a_thread

TITLES = [
    "Sofa, three seats, grey", "Coffee mug", "Rain jacket", "Desk lamp", "Laptop 14 inch",
    "Tent for two", "Dry dog food", "Detective novel", "Mountain bike", "Acoustic guitar",
]  # fmt: skip
ON = {"learning.content.text": "sentences", "manifest.scoring": "all"}


def titled(prefix: str, titles: list[str]) -> list[dict[str, Any]]:
    return [{"item_id": f"{prefix}{at}", "title": title} for at, title in enumerate(titles)]


def rebuilt(settings: Any, batch: int) -> str:
    learner = bootstrap.reader(settings, snapshots=False)
    _learn_all(learner, batch)
    return learner.state_hash()


def _learn_all(learner: Learner, batch: int) -> None:
    while learner.learn(batch):
        pass


def test_a_new_item_is_in_the_list_of_who_likes_its_like(tmp_path: Path) -> None:
    running = bootstrap.embedded(load({"core.data_dir": str(tmp_path), **ON}, environ={}))
    running.service.catch_up()
    running.service.start()
    try:
        with (
            in_a_thread(create_app(running.service)) as url,
            httpx.Client(base_url=url, timeout=60) as client,
        ):
            client.put("/v1/items", json={"items": titled("i", TITLES)})
            event = {"type": "view", "user_id": "u", "item_id": "i0"}
            client.post("/v1/events", json=event)
            new = titled("n", ["Porcelain cup", "Comfortable couch", "Waterproof coat"])
            after = client.put("/v1/items", json={"items": new}).json()["position"]
            told = client.get(
                "/v1/users/u/recommendations", params={"k": 3, "after": after, "wait_ms": 5000}
            ).json()
            assert told["items"][0]["item_id"] == "n1"
            assert told["degraded"] is False, "it was not learned within the 5 s"
            similar = client.get("/v1/items/i2/similar", params={"k": 1}).json()["items"]
            assert similar[0]["item_id"] == "n2"
    finally:
        running.close()


def test_a_rebuild_repeats_the_setting_and_what_was_read(tmp_path: Path) -> None:
    settings = load({"core.data_dir": str(tmp_path), "manifest.scoring": "all"}, environ={})
    running = bootstrap.embedded(settings)
    service, sink = running.service, Direct(running.service, imported=True)
    try:
        for number, text in enumerate(["hashed", "sentences", "hashed", "sentences"]):
            content = structs.replace(service.model.settings.content, text=text)
            asyncio.run(service.apply_settings(structs.replace(settings.learning, content=content)))
            sink.put_items(titled(f"{number}-", TITLES))
            sink.send([{"type": "view", "user_id": "u", "item_id": f"{number}-1",
                        "timestamp": 1_000.0 + number}])  # fmt: skip
            service.catch_up()
        assert service.model.settings.content == Content(text="sentences")
        live = service._learner.state_hash()
    finally:
        running.close()
    restored = bootstrap.reader(settings, snapshots=True)
    _learn_all(restored, 100)
    assert {live, restored.state_hash(), rebuilt(settings, 3), rebuilt(settings, 1_000)} == {live}


def test_without_the_extra_nothing_is_learned_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = {"core.data_dir": str(tmp_path)}
    with_it, without = load({**folder, **ON}, environ={}), load(folder, environ={})
    running = bootstrap.embedded(with_it)
    Direct(running.service, imported=True).put_items(titled("i", TITLES))
    running.close()
    sentences._language.cache_clear()
    monkeypatch.setitem(sys.modules, "wordllama", None)
    try:
        with pytest.raises(ConfigError, match=r"learning.content.text: .*'\.\[sentences\]'"):
            load({**folder, **ON}, environ={})
        with pytest.raises(ExtraMissing):
            rebuilt(without, 100)
        monkeypatch.setattr(sys, "argv", ["freshet", "run", "--data-dir", str(tmp_path)])
        monkeypatch.setenv("FRESHET_LEARNING__CONTENT__TEXT", "sentences")
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        assert "learning.content.text" in capsys.readouterr().err
    finally:
        sentences._language.cache_clear()


def test_nothing_of_it_is_imported_unless_it_is_asked_for() -> None:
    program = (
        "import sys; from models.model import Model; from models.settings import LearningSettings\n"
        "Model(LearningSettings()).put_item({'item_id': 'a', 'title': 'Sofa'})\n"
        "assert not {'tokenizers', 'wordllama', 'safetensors'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
