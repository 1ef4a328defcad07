"""Items that leave while a list is on its way: it names what was ranked, the next one the rest."""

from typing import Any

import pytest

from api import ladder
from api.composing import compose
from models.settings import LearningSettings

U1 = "/v1/users/u1/recommendations"
ASKED: dict[str, tuple[Any, ...]] = {
    "personal": ("GET", U1),
    "explained": ("GET", f"{U1}?explain=true"),
    "stranger": ("GET", "/v1/users/stranger/recommendations"),
    "session": (
        "POST", "/v1/sessions/recommendations", {"events": [{"type": "view", "item_id": "i4"}]},
    ),
    "batch": ("POST", "/v1/recommendations:batch", {"user_ids": ["u1", "nobody"], "k": 20}),
    "trending": ("GET", "/v1/trending"),
    "similar": ("GET", "/v1/items/i4/similar"),
}  # fmt: skip


def lists(answer: Any) -> list[list[tuple[str, Any]]]:
    """Ids and titles. Scores of a session go with the time it is asked at."""
    told = answer.json()
    found = [told["items"]] if "items" in told else [one["items"] for one in told["lists"]]
    return [[(item["item_id"], item.get("title")) for item in items] for items in found]


@pytest.mark.parametrize("kind", ASKED)
def test_a_list_keeps_the_names_it_was_ranked_with(
    call: Any, shop: Any, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    before = lists(call(*ASKED[kind]))

    def after_a_leaving(*args: Any) -> Any:
        shop.model.apply_settings(LearningSettings(max_items=shop.model.items - 1))
        return compose(*args)

    monkeypatch.setattr(ladder, "compose", after_a_leaving)
    assert lists(call(*ASKED[kind])) == before
    monkeypatch.setattr(ladder, "compose", compose)
    assert shop.model.items_left > 0
    ids = [f"i{at}" for at in range(20)]
    left = {one for one in ids if call("GET", f"/v1/items/{one}").status_code == 404}
    assert len(left) == shop.model.items_left
    assert not left & {item_id for items in lists(call(*ASKED[kind])) for item_id, _ in items}
