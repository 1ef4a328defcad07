"""Settings applied to a running system, and lists it has shown: a rebuild repeats both."""

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from config import bootstrap
from config.load import load
from models.answers import Asked
from models.settings import EventType
from stream.embedded import Embedded
from stream.impressions import Impression, Shown
from stream.open_list_kernels import EVERY
from stream.service import accept


async def send(service: Embedded, *events: dict[str, Any]) -> None:
    now, manifest = time.time(), service.manifest
    checked = [accept(msgspec.json.encode(e), now, manifest, True) for e in events]
    receipt = await service.append_feedback([c for c in checked if c is not None], True)
    assert await service.wait("", receipt.positions, 60.0)


async def listed(service: Embedded, user: str, k: int = 100) -> list[str]:
    row = (await service.read(user)).row
    assert row is not None
    model = service.model
    return [model.id_of(place.row) for place in model.recommend(Asked(row.past, row.types, k))]


def view(user: int, item: int, at: float, kind: str = "view", **more: Any) -> dict[str, Any]:
    return {"type": kind, "user_id": f"u{user}", "item_id": f"i{item}", "timestamp": at, **more}


async def live(service: Embedded) -> None:
    start = time.time() - 10 * 86_400
    await send(service, *[view(n % 9, n * 7 % 40, start + n) for n in range(200)])
    await send(service, view(1, 11, start + 500, "dislike"), view(1, 5, start + 501, "wish"))
    assert {"i11", "i5"} & set(await listed(service, "u1")) == {"i5"}  # nobody knows of wishes

    events = dict(service.model.settings.events)
    events["dislike"] = EventType(sign="negative", hides=False)
    events["wish"] = EventType(weight=2.0)
    popularity = structs.replace(service.model.settings.popularity, fast_half_life=50.0)
    wanted = structs.replace(service.model.settings, events=events, popularity=popularity)
    applied = await service.apply_settings(wanted)
    assert set(applied.changed) >= {
        "learning.events.dislike.hides", "learning.popularity.fast_half_life",
    }  # fmt: skip
    assert await service.wait("", applied.positions, 60.0)
    found = await listed(service, "u1")
    assert {"i11", "i5"} & set(found) == {"i11"}
    assert found[0] != "i11"  # it shows again, and is still disliked

    for n in range(3 * EVERY):
        items = [Shown(item_id=f"i{(n + at) % 40}", place=at, score=-at / 9) for at in range(5)]
        moment = start + 2_000 * n
        service.append_impressions(
            [Impression(user_id=f"u{n % 9}", recommendation_id=f"r{n}", items=items,
                        served_by="personal", timestamp=moment)]
        )  # fmt: skip
        taken = view(n % 9, (n + 1) % 40, moment + 5, "click", recommendation_id=f"r{n}")
        await send(service, taken)
    await service.impressions_kept()
    last = view(1, 5, start + 2_000 * 3 * EVERY)
    await send(service, last)  # learned, and so are the lists, which stand before it


@pytest.mark.parametrize("batch", [7, 1_000])
def test_a_rebuild_repeats_changed_settings_and_shown_lists(tmp_path: Path, batch: int) -> None:
    settings = load({"core.data_dir": str(tmp_path), "manifest.scoring": "all"}, environ={})
    running = bootstrap.embedded(settings)
    service = running.service
    try:
        service.catch_up()
        service.start()
        asyncio.run(live(service))
        counted = service.model.click_through()["served_by"]["personal"]
        assert counted["lists"] >= EVERY and counted["taken"] > 0
    finally:
        running.close()
    seen = bootstrap.reader(settings, snapshots=True)
    rebuilt = bootstrap.reader(settings, snapshots=False)
    for learner in (seen, rebuilt):
        while learner.learn(batch):
            pass
    assert rebuilt.stage.model.settings.popularity.fast_half_life == 50.0
    assert rebuilt.state_hash() == seen.state_hash()
