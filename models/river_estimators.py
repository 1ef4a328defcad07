"""Our estimators in River's manner, for its pipelines, metrics and progressive validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from river import base, reco

from models.attributes import attribute_keys
from models.index import fingerprint
from models.ratings import Ratings
from models.settings import Neighbours
from models.settings import Ratings as Settings


class RatingModel(base.Regressor):
    """The rating model as a River regressor: `x` names who rates what.

    What else `x` holds counts as attributes of the user. Ratings are from 1 to 5; a target
    outside counts as the nearer end.

    Parameters
    ----------
    user
        Name of the feature that holds the user.
    item
        Name of the feature that holds the item.
    time
        Name of the feature that holds seconds since the epoch; it may be missing.
    n_factors
        Length of the factors of a user and of an item.
    max_users
        Users remembered at most; the least recently active leave first.
    max_items
        Items remembered at most.
    neighbours
        Whose residuals speak besides: `none`, `items`, `users` or `both`; else ValueError.

    Examples
    --------
    >>> model = RatingModel()
    >>> for stars in (5, 5, 4, 5):
    ...     model.learn_one({"user": "ada", "item": "alien"}, stars)
    >>> model.predict_one({"user": "ada", "item": "brazil"}) > 3.5
    True

    """

    def __init__(
        self,
        user: str = "user",
        item: str = "item",
        time: str = "time",
        n_factors: int = 16,
        max_users: int = 50_000,
        max_items: int = 200_000,
        neighbours: Neighbours = "none",
    ) -> None:
        if neighbours not in get_args(Neighbours):
            raise ValueError(f"neighbours must be one of {', '.join(get_args(Neighbours))}")
        self.user = user
        self.item = item
        self.time = time
        self.n_factors = n_factors
        self.max_users = max_users
        self.max_items = max_items
        self.neighbours = neighbours
        self._ratings = self._fresh()

    def learn_one(self, x: Mapping[Any, Any], y: float) -> None:
        """Learn that the user of `x` gave its item `y`; what is no finite number is left out."""
        user, item, time, attributes = self._read(x)
        self._ratings.learn_one(user, item, float(y), time or 0.0, attributes)

    def predict_one(self, x: Mapping[Any, Any]) -> float:
        """The rating, 1 to 5; asking changes nothing."""
        user, item, time, attributes = self._read(x)
        return self._ratings.predict_one(user, item, time, attributes)

    def _read(self, x: Mapping[Any, Any]) -> tuple[int, int, float | None, list[int]]:
        mine = {self.user, self.item, self.time}
        others = {str(name): value for name, value in x.items() if name not in mine}
        time = x.get(self.time)
        return (
            fingerprint(str(x.get(self.user))), fingerprint(str(x.get(self.item))),
            None if time is None else float(time), attribute_keys(others),
        )  # fmt: skip

    def _fresh(self) -> Ratings:
        return Ratings(Settings(
            n_factors=self.n_factors, max_users=self.max_users, max_items=self.max_items,
            neighbours=self.neighbours,
        ))  # fmt: skip

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_ratings": self._ratings.dump()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._ratings = self._fresh()
        self._ratings.load(state["_ratings"])


class Popularity(reco.base.Ranker):
    """How much attention an item gets: a count that halves every `half_life` events.

    The same for every user; what it predicts is the count, and `rank` orders by it.

    Parameters
    ----------
    half_life
        Events after which one counts half.
    seed
        Without effect: nothing is random.

    Examples
    --------
    >>> model = Popularity()
    >>> for item in ("alien", "brazil", "alien"):
    ...     model.learn_one("ada", item)
    >>> model.rank("bob", {"brazil", "alien", "cube"})
    ['alien', 'brazil', 'cube']

    """

    def __init__(self, half_life: float = 1_000.0, seed: int | None = None) -> None:
        super().__init__(seed=seed)
        self.half_life = half_life
        self._counts: dict[Any, tuple[float, int]] = {}
        self._events = 0

    def learn_one(self, user: Any, item: Any, y: Any = 1, x: Any = None) -> None:
        """Count an event of the item, whatever `y` says of it: it is attention."""
        count = self.predict_one(user, item)
        self._events += 1
        self._counts[item] = count * 0.5 ** (1 / self.half_life) + 1.0, self._events

    def predict_one(self, user: Any, item: Any, x: Any = None) -> Any:
        """The decayed count; asking changes nothing."""
        count, at = self._counts.get(item, (0.0, 0))
        return float(count * 0.5 ** ((self._events - at) / self.half_life))
