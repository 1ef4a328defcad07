"""Freshet as a policy: its two stages in this process, or a running system over HTTP."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec
from msgspec import structs

from models.answers import Asked, nobody
from models.model import Model
from models.settings import LearningSettings
from producers.errors import OptionError, SinkUnavailable
from producers.ingest import BATCH
from producers.replay.system import Lists, Patient, over_http
from producers.simulation.policies import Event, Page, Request, feedback_of
from producers.simulation.world import World, item_id, user_id
from stream.manifest import Manifest
from stream.model_stage import ModelStage
from stream.profiles import Profiles
from stream.records import LogRecord

# A running system may be away for so long.
_PATIENCE_S = 60.0
_TIMEOUT_S = 10.0
# Items looked at before the first is put: the longest list there is.
_LOOKED_AT = 100
# What of a catalogue is another's, and how to have one of one's own.
_OTHERS = (
    "items of another catalogue; simulate against a fresh one, such as "
    "`freshet run --demo none --data-dir NEW`"
)


class InProcess:
    """The stages a live log goes through, and the lists HTTP would answer, without either."""

    def __init__(self, settings: LearningSettings, manifest: Manifest, world: World) -> None:
        # Every event is a lesson for the ranker, as on a quiet log.
        self._profiles = Profiles(structs.replace(manifest, scoring="all"))
        self.model = Model(settings, manifest.seed)
        self._stage = ModelStage(self.model)
        self._offset = 0
        self.hear([{"type": "item", **item} for item in world.catalogue()])

    def show(self, request: Request, k: int) -> Page:
        row = self._profiles.row(user_id(request.user))
        asked = Asked(row.past, row.types, k) if row is not None else nobody(k)
        listed = self.model.recommend(asked, request.recommendation_id)
        return Page(
            [self._number(place.row) for place in listed], request.recommendation_id,
            "personal" if row is not None else "trending",
            propensities=[place.propensity for place in listed],
            scores=[place.score for place in listed],
        )  # fmt: skip

    def hear(self, events: Sequence[Event]) -> None:
        records = []
        for event in events:
            received = float(event.get("timestamp") or 0.0)
            records.append(LogRecord(self._offset, received, True, msgspec.json.encode(event)))
            self._offset += 1
        for piece in self._profiles.step(records).pieces:
            self._stage.apply(0, piece)

    def state_hash(self) -> str | None:
        """The model's digest: two runs of one seed agree in it."""
        return self.model.digest().hex()

    def propensities(self, k: int) -> list[float] | None:
        """How much the first k places are looked at, as learned; the first is 1."""
        places = self.model.click_through()["places"][:k]
        return [place["propensity"] for place in places]

    def _number(self, row: int) -> int:
        return int(self.model.id_of(row).rpartition("-")[2])


class Remote:
    """A running system; each list shows every event before it.

    It writes the impressions of its lists itself. Its catalogue must be the simulated one alone:
    OptionError, with nothing written, where it holds another's.
    """

    def __init__(self, url: str, world: World, api_key: str | None = None) -> None:
        self._lists = Lists(url, api_key)
        sink = over_http(url, api_key, imported=True, timeout_s=_TIMEOUT_S)
        self._feedback = Patient(sink, _PATIENCE_S, _pause)
        self._known = {item_id(number): number for number in range(world.size.items)}
        self._position: str | None = None
        try:
            self._require_own(world)
            self._put(world.catalogue())
        except BaseException:
            self.close()
            raise

    def show(self, request: Request, k: int) -> Page:
        told = self._lists.ask(user_id(request.user), k, self._position)
        if told.served_by is None:
            raise SinkUnavailable("the system did not answer with a list; is it running?")
        try:
            items = [self._known[item] for item in told.items]
        except KeyError:
            raise OptionError(f"--url: the system recommends {_OTHERS}") from None
        shown = told.recommendation_id or request.recommendation_id
        return Page(items, shown, told.served_by)

    def hear(self, events: Sequence[Event]) -> None:
        self._put([_as_put(event) for event in events if event["type"] == "item"])
        feedback = feedback_of(events)
        if feedback:
            self._feedback.send(feedback)
            self._position = self._feedback.position

    def state_hash(self) -> str | None:
        """Not to be had over HTTP."""
        return None

    def propensities(self, k: int) -> list[float] | None:
        """Not to be had over HTTP."""
        return None

    def _require_own(self, world: World) -> None:
        """Of what the system holds, all is of this very world, or nothing is there yet."""
        for item in self._feedback.tried(lambda: self._lists.trending(_LOOKED_AT)):
            number = self._known.get(item["item_id"])
            if number is None or item.get("title") != world.described(number)["title"]:
                raise OptionError(f"--url: the system holds {_OTHERS}")

    def _put(self, items: Sequence[Event]) -> None:
        for at in range(0, len(items), BATCH):
            self._feedback.put_items(list(items[at : at + BATCH]))

    def close(self) -> None:
        self._lists.close()
        self._feedback.close()


def _as_put(record: Event) -> Event:
    """An item of the log as `PUT /v1/items` takes it."""
    return {name: told for name, told in record.items() if name != "type"}


def _pause(seconds: float) -> bool:
    time.sleep(seconds)
    return False
