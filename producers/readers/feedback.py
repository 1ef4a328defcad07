"""Ratings, shared by the formats that carry them: 1 to 5 inside, whatever scale the file has."""

from __future__ import annotations

from dataclasses import dataclass

from producers.errors import OptionError
from producers.readers import cells
from producers.readers.table import Row

LOWEST_RATING = 1
TOP_RATING = 5


@dataclass(frozen=True)
class Scale:
    """The lowest and the highest rating of a file.

    >>> Scale.parse("0.5,5").stars(0.5), Scale.parse("0,10").stars(5.0)
    (1.0, 3.0)
    """

    low: float = LOWEST_RATING
    top: float = TOP_RATING

    @classmethod
    def parse(cls, text: str) -> Scale:
        """From `LOWEST,HIGHEST`. Raises OptionError."""
        try:
            low, top = (float(part) for part in text.split(","))
        except ValueError:
            low = top = 0.0
        if not -1e9 <= low < top <= 1e9:
            raise OptionError("--scale: expected the lowest and the highest rating, such as 0.5,5")
        return cls(low, top)

    def stars(self, value: float) -> float:
        """The rating from 1 to 5: linear, the ends kept."""
        if (self.low, self.top) == (LOWEST_RATING, TOP_RATING):
            return value
        share = (value - self.low) / (self.top - self.low)
        return LOWEST_RATING + share * (TOP_RATING - LOWEST_RATING)

    def rating(self, row: Row, column: str) -> float:
        """What a row's column holds, as stars. Raises ReadError where that is no rating."""
        try:
            return self.stars(cells.number(row.text(column) or "", self.low, self.top))
        except cells.CellError as error:
            hint = "--scale LOWEST,HIGHEST reads another scale"
            raise row.error(column, f"a rating, {error.expected} ({hint})") from None
