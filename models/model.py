"""The model: learn from examples, recommend for a past. Nothing else is public."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models import answers, content, cooccurrence, factors, impressions, presets, state
from models.answers import Asked, Listed
from models.catalogue import Catalogue
from models.coarse import place_coarse
from models.examples import Examples, Types, part_of, types_of
from models.impressions import Lists, Outcomes, no_lists
from models.index import find
from models.learned import Learned
from models.learning import Scores, add_item, learn, no_scores
from models.leaving import let_go, parted, soon, with_room
from models.live import Live
from models.ratings import Ratings
from models.reader import Reader, Shared
from models.river_party import Party, learn_rated
from models.river_turns import learn_with_guests
from models.sentences import require_sentences
from models.settings import LearningSettings
from models.tables import Arena, Array, digest_of

#: Numbers change only with this: states of two versions are not compared, they are rebuilt.
LEARNING_VERSION = 7


class Model:
    """The item side of the recommender; one writer learns, any number of threads read.

    `reader` is what they read: take it once for all that belongs together.
    """

    def __init__(self, settings: LearningSettings, seed: int = 1) -> None:
        self.seed = seed
        self._shared = Shared(seed)
        #: Told the ids and rows of items that left, right after it.
        self.told_left: Callable[[list[str], NDArray[np.int64]], None] | None = None
        self._start(settings)

    def _start(self, settings: LearningSettings) -> None:
        # As the log would give them back: 300 and 300.0 are one setting, and one digest.
        settings = msgspec.convert(msgspec.to_builtins(settings), LearningSettings)
        self.settings = settings
        self.version = 0
        self._meanings: dict[tuple[str, ...], Types] = {}
        self.arena = Arena("items", "dense")
        state.declare(self.arena, settings)
        self._catalogue = Catalogue(self.arena)
        self.ratings = Ratings(settings.ratings, self.seed)
        self.guests = Party(settings.river, self.seed)
        self.live = Live(self.arena)
        self._make_room(1)

    def reset(self) -> None:
        """Forget all that was learned."""
        self._start(self.settings)

    # What is written: by the learner alone, in the order of the log.

    def learn(
        self, examples: Examples, item_ids: Sequence[str], types: list[str],
        lists: Lists | None = None, positions: NDArray[np.int64] | None = None, partition: int = 0,
    ) -> Learned:  # fmt: skip
        """Learn a batch in order; `item_ids` are the ids behind `examples.item_key`.

        `lists` are those the examples were taken from, `types` names the partition's type
        numbers, `positions` (int64[n]) are places in its log, for drifts to tell. The state
        after a batch does not depend on how the log was cut into batches.
        """
        parts: list[tuple[int, Learned]] = []
        lists = lists or no_lists(len(item_ids))
        for start, stop in self._parts(examples):
            part = part_of(examples, start, stop)
            taken_from = impressions.part_of(lists, start, stop)
            ids = item_ids[start:stop]
            if self.guests.lists.guests:
                scores = learn_with_guests(self, self._learn_part, part, ids, types, taken_from)
            else:
                scores = self._learn_part(part, ids, types, taken_from)
            ratings = learn_rated(self.ratings, self.guests, part, types)
            places = positions[start:stop] if positions is not None else None
            drifts = self.live.observe(
                self.reader.state, part, types, taken_from.rung, scores, ratings, places,
                partition, self.settings.drift,
            )  # fmt: skip
            if self.live.turn(self.settings):
                self._refresh()
            parts.append((start, Learned(scores, ratings, drifts)))
        self.version += 1
        return Learned.joined(parts)

    def _parts(self, examples: Examples) -> Iterator[tuple[int, int]]:
        """Parts of a batch between which learning may change its pace, or items leave."""
        for start, stop in self.live.cuts(examples.type.shape[0]):
            begin = start
            while begin < stop:
                end = begin + self._fit(examples.item_key[begin:stop], examples.flags[begin:stop])
                if end > begin:
                    yield begin, end
                if end < stop:
                    self._let_leave()
                begin = end

    def _fit(self, keys: NDArray[np.uint64], flags: NDArray[np.uint8]) -> int:
        """How many examples can be learned before an item has to leave."""
        s, room = self.reader.state, self.settings.max_items - self.items
        return len(keys) if len(keys) <= room else with_room(s.slots, s.key, keys, flags, room)

    def _learn_part(
        self, examples: Examples, item_ids: Sequence[str], types: list[str], lists: Lists
    ) -> Scores:
        meaning = self._meaning(types)
        scores = no_scores(len(item_ids))
        done = 0
        while done < len(item_ids):
            self._make_room(min(self.items + len(item_ids), self.settings.max_items))
            before, kit = self.items, self.reader.kit()
            stopped = learn(kit, examples, lists, meaning, done, scores)
            new, told = self.arena["items.key"][before : self.items], slice(done, stopped)
            self._catalogue.name_new(new, examples.item_key[told], item_ids[told])
            if stopped < len(item_ids):
                self._turn()
            done = stopped
        return scores

    def observe(self, outcomes: Outcomes, types: list[str]) -> None:
        """Count lists that are closed; `types` names the types in their masks."""
        s, meaning = self.reader.state, self._meaning(types)
        self.live.quality.note_shown(outcomes, meaning)
        if not self.settings.impressions.learn:
            return
        impressions.count(s.impressions, s.slots, s.key, outcomes, meaning, self.items)
        self.version += 1

    def _meaning(self, types: list[str]) -> Types:
        """What the names mean under the settings there are."""
        names = tuple(types)
        if names not in self._meanings:
            self._meanings = {names: types_of(types, self.settings.events)}
        return self._meanings[names]

    def put_item(self, item: Mapping[str, Any]) -> None:
        """Take a catalogue record in; `available: false` or `deleted` blocks the item."""
        row = self._row_or_new(item["item_id"])
        self._catalogue.put(row, item)
        s = self.reader.state
        s.blocked[row] = not item.get("available", True) or bool(item.get("deleted"))
        s.counts[state.ACTS] += 1
        s.active[row] = s.counts[state.ACTS]
        if not item.get("deleted"):
            content.describe(self.arena, row, item, self.settings.content)
            self.ratings.describe(self.key_of(item["item_id"]), item)
            place_coarse(s.content.coarse, row, s.content.vectors[row])
            self.live.quality.describe(row, item.get("categories") or ())
        self.version += 1

    def apply_settings(self, settings: LearningSettings) -> None:
        """Go on under other settings; once there are items, vectors keep their dimensions.

        Raises ExtraMissing, and is as before, where content cannot be described as they ask.
        """
        if self.items == 0:
            self._start(settings)
            return
        if settings.content.text != self.settings.content.text:
            if settings.content.text == "sentences":
                require_sentences()  # before the first vector is written
            documents = (self._catalogue.document(row) for row in range(self.items))
            content.describe_again(self.arena, documents, settings.content)
        self.settings = settings
        self._meanings = {}
        self.ratings.apply(settings.ratings)
        self.guests.apply(settings.river)
        factors.turn(self.arena, settings.factors, settings.sources.factors)
        self._refresh()
        if self.items > settings.max_items:
            self._let_leave()
        self.version += 1

    def _row_or_new(self, item_id: str) -> int:
        s, key = self.reader.state, np.uint64(self.key_of(item_id))
        row = find(s.slots, s.key, key)
        if row >= 0:
            return int(row)
        if self.items >= self.settings.max_items:
            self._let_leave()
        if self.items >= cooccurrence.DENSE_ITEMS and self._dense:
            self._go_sparse()
        self._make_room(self.items + 1)
        self._catalogue.add(item_id)
        row = add_item(self.reader.state, key)
        self._catalogue.name_all()
        return int(row)

    def _let_leave(self) -> None:
        """Let those items leave that nobody acted on for longest; rows get other numbers."""
        active = self.arena["items.active"][: self.items]
        stay, gone = parted(active, self.settings.max_items)
        left = [self.id_of(row) for row in gone.tolist()] if self.told_left else []
        quality = self.live.quality
        self._catalogue = let_go(self.arena, self._catalogue, quality, stay, gone)
        self._refresh()
        if self.told_left:
            self.told_left(left, gone)

    def leaves_soon(self) -> bool:
        """Whether items are about to leave, and memory for it is still to be got."""
        return soon(self.items, self.settings.max_items) and not self.arena.prepared

    def prepare_leaving(self, pace: Callable[[float], object]) -> None:
        """Get that memory, on any thread: getting it takes far longer than the copying.

        `pace` is told the seconds of each part.
        """
        self.arena.prepare_keep("items", pace)

    # What is read: from any thread.

    @property
    def items(self) -> int:
        return self.arena.count("items")

    @property
    def preset(self) -> str:
        """Which preset is in force: `films`, `shop`, or `auto` while it is not decided."""
        decided = presets.NAMES[int(self.arena["census"][presets.DECIDED])]
        return decided if self.settings.preset == "auto" else self.settings.preset

    @property
    def items_left(self) -> int:
        """Items that left so far because `max_items` were known."""
        return int(self.arena["items.counts"][state.LEFT])

    def updates_rejected(self) -> dict[str, int]:
        """Updates that were not finite, so far: left out or taken back, by part of the model."""
        a = self.arena
        return {
            "embeddings": int(a["embeddings.rejected"][0]),
            "factors": int(a["factors.rejected"][0]),
            "ranker": int(a["ranker.lessons"][1]),
            "ratings": self.ratings.updates_rejected,
        }

    @property
    def clock(self) -> float:
        """The model clock, seconds since the epoch: the newest time the log has told."""
        return float(self.arena["clock"][0])

    def key_of(self, text: str) -> int:
        return self.reader.key_of(text)

    # Lists and names as the newest reader has them. Rows are of that reader: who reads beside
    # the learner takes `reader` once, and asks it alone.

    def id_of(self, row: int) -> str:
        return self.reader.id_of(row)

    def row_of(self, key: int) -> int:
        return self.reader.row_of(key)

    def document(self, row: int) -> dict[str, Any] | None:
        return self.reader.document(row)

    def is_listed(self, key: int) -> bool:
        return self.reader.is_listed(key)

    def recommend(self, asked: Asked, draw: str | None = None, user_id: str = "") -> list[Listed]:
        return self.reader.recommend(asked, draw, user_id)

    def recommend_all(self, asked: Asked, user_ids: Sequence[str]) -> list[list[Listed]]:
        return self.reader.recommend_all(asked, user_ids)

    def similar(self, item_id: str, k: int) -> list[Listed]:
        return self.reader.similar(item_id, k)

    def trending(self, k: int, asked: Asked | None = None) -> list[Listed]:
        return self.reader.trending(k, asked)

    def rating(self, user_id: str, item_id: str, attributes: Sequence[int] = ()) -> float:
        """The rating, 1 to 5, this user would give this item; `attributes` are keys of theirs."""
        now = self.clock
        user, item = self.key_of(user_id), self.key_of(item_id)
        return self.ratings.predict_one(user, item, now, attributes, self.guests.ask(user, item))

    def click_through(self) -> dict[str, Any]:
        """Shown and taken by place and by rung, and how much each place is looked at."""
        return impressions.click_through(self.reader.state.impressions)

    def embedding(self, asked: Asked) -> NDArray[np.float32]:
        """The user's embedding (float32[dims], norm 1 or zeros) for a past."""
        return self.embeddings([asked.past.history_key])[0]

    def embeddings(self, histories: Sequence[NDArray[np.uint64]]) -> NDArray[np.float32]:
        """Embeddings (float32[n, dims]) of users with these histories: item keys, newest first."""
        starts = np.zeros(len(histories) + 1, np.int64)
        np.cumsum([len(history) for history in histories], out=starts[1:])
        keys = np.concatenate([*histories, np.empty(0, np.uint64)])
        out = np.empty((len(histories), self.settings.embeddings.dims), np.float32)
        reader = self.reader
        answers.embeddings_of(reader.state, reader.scratch(), starts, keys, out)
        return out

    def quality(self) -> dict[str, Any]:
        """Live quality and drift, as `GET /v1/quality` shows them."""
        told = self.live.report(self.items, self.settings)
        return {**told, "source_shares": self._shared.served.shares()}

    # The state as a whole.

    def digest(self) -> bytes:
        """16 bytes over all that can change an answer."""
        ratings = self.ratings.digest() + self._others()
        return self._digest(self.arena.digest(), ratings, self.settings)

    def frozen_digest(self) -> Callable[[], bytes]:
        """What `digest` would answer now, to be called later, on any thread.

        Only copying is done here: about a sixth of the time that hashing takes.
        """
        tables, settings = self.arena.dump(), self.settings
        ratings, others = self.ratings.frozen_digest(), self._others()
        return lambda: self._digest(digest_of(tables.items()), ratings() + others, settings)

    def _others(self) -> bytes:
        return self.guests.digest() + self.live.drifts.digest()

    def _digest(self, arena: bytes, guests: bytes, settings: LearningSettings) -> bytes:
        digest = hashlib.blake2b(digest_size=16)
        digest.update(f"{LEARNING_VERSION}|{self.seed}|".encode())
        digest.update(msgspec.json.encode(settings))
        digest.update(arena)
        digest.update(guests)
        return digest.digest()

    def dump(self, *, lent: bool = False) -> tuple[dict[str, Array], dict[str, bytes]]:
        """Tables and objects of a snapshot; copies, so that learning may go on.

        With `lent` the next such dump writes over them.
        """
        objects = {
            "settings": msgspec.json.encode(self.settings),
            "drift": self.live.drifts.dump(),
            "sparse": b"" if self._dense else b"1",
            **self.guests.dump(),
        }
        return {**self.arena.dump(lent=lent), **self.ratings.dump(lent=lent)}, objects

    def load(self, tables: Mapping[str, Array], objects: Mapping[str, bytes]) -> None:
        """Become what was dumped. Raises StateMismatch when the tables do not fit."""
        self._start(msgspec.json.decode(objects["settings"], type=LearningSettings))
        if objects["sparse"]:
            for name in state.HORIZONS:
                cooccurrence.make_sparse(self.arena, name)
        self.arena.load(tables)
        self._catalogue.refresh()
        self.ratings.load(tables)
        self.guests.load(objects)
        self.live.drifts.load(objects["drift"])
        self._refresh()

    @property
    def _dense(self) -> bool:
        return self.arena["cooccurrence.fast.partner"].shape[0] == 0

    def _go_sparse(self) -> None:
        for name in state.HORIZONS:
            cooccurrence.go_sparse(self.arena, name)
        self.arena.used[1] = 0
        self._refresh()

    def _turn(self) -> None:
        """Do what the kernel stopped for."""
        if presets.due(self.arena["census"]):
            presets.decide(self.arena["census"])
            self._refresh()
        else:
            self._go_sparse()

    def _make_room(self, items: int) -> None:
        grown = self.arena.reserve("items", items)
        if self._dense:
            grown |= self.arena.reserve("dense", min(items, cooccurrence.DENSE_ITEMS))
        if grown:
            self._refresh()

    def _refresh(self) -> None:
        """Swap the reader; those who hold the old one keep its arrays until they are done."""
        decided = int(self.arena["census"][presets.DECIDED])
        self.effective = self.live.paced(presets.effective(self.settings, decided))
        tables = state.view(self.arena, self.effective, state.item_index(self.arena))
        self.reader = Reader(tables, self._catalogue, self.effective, self.guests, self._shared)
