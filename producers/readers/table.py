"""Tables with a header: rows whose cells are asked for by column and checked when asked."""

import csv
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from producers.errors import ReadError
from producers.readers import cells
from producers.readers.lines import numbered_lines

# From a file to (line number, cells) of every row that is not blank.
Splitter = Callable[[Path], Iterator[tuple[int, list[str]]]]

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table; every question names its column in the error."""

    file: str
    line: int
    columns: dict[str, str]

    def identifier(self, column: str) -> str:
        return self._checked(column, cells.identifier, self.columns[column])

    def text(self, column: str | None) -> str | None:
        """The cell without surrounding space; None when it is empty or there is no such column."""
        if column is None:
            return None
        return self.columns.get(column, "").strip() or None

    def number(
        self, column: str | None, low: float = -math.inf, high: float = math.inf
    ) -> float | None:
        text = self.text(column)
        if text is None or column is None:
            return None
        return self._checked(column, lambda cell: cells.number(cell, low, high), text)

    def moment(self, column: str | None) -> float | None:
        text = self.text(column)
        if text is None or column is None:
            return None
        return self._checked(column, cells.moment, text)

    def error(self, column: str, expected: str) -> ReadError:
        return ReadError(self.file, expected, line=self.line, column=column)

    def _checked(self, column: str, check: Callable[[str], _Value], text: str) -> _Value:
        try:
            return check(text)
        except cells.CellError as error:
            raise self.error(column, error.expected) from None


@dataclass(frozen=True)
class Table:
    """A file whose header has been read and found right; its rows are read lazily."""

    path: Path
    header: tuple[str, ...]
    split: Splitter

    def rows(self) -> Iterator[Row]:
        rows = self.split(self.path)
        next(rows, None)
        for line, row in rows:
            yield Row(self.path.name, line, self._named(line, row))

    def _named(self, line: int, row: list[str]) -> dict[str, str]:
        width = len(self.header)
        if len(row) != width:
            column = self.header[len(row)] if len(row) < width else str(width + 1)
            expected = f"{width} columns as in the header, found {len(row)}"
            raise ReadError(self.path.name, expected, line=line, column=column)
        return dict(zip(self.header, row, strict=True))


def open_table(path: Path, split: Splitter, required: tuple[str, ...], layout: str) -> Table:
    """Read and check the header. `layout` says in words how such a file begins."""
    rows = split(path)
    line, header = next(rows, (0, []))
    if not header:
        raise ReadError(path.name, f"{layout}, but the file is empty")
    header = [name.strip() for name in header]
    for column in required:
        if column not in header:
            raise ReadError(path.name, layout, line=line, column=column)
    for place, name in enumerate(header, start=1):
        if header.index(name) != place - 1:
            raise ReadError(path.name, "every column once", line=line, column=str(place))
    return Table(path, tuple(header), split)


def split_tabs(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Cells between tabs, taken as they are: these formats know no quotes."""
    for line, text in numbered_lines(path):
        if text.strip(" "):
            yield line, text.split("\t")


def split_csv(delimiter: str) -> Splitter:
    """Cells with quotes as spreadsheets write them; a row's line is the one it begins on."""

    def split(path: Path) -> Iterator[tuple[int, list[str]]]:
        texts = (text + "\n" for _, text in numbered_lines(path))
        reader = csv.reader(texts, delimiter=delimiter, strict=True)
        while True:
            line = reader.line_num + 1
            try:
                row = next(reader, None)
            except csv.Error:
                expected = "cells whose quotes are closed and stand around the whole cell"
                raise ReadError(path.name, expected, line=line) from None
            if row is None:
                return
            if row and (len(row) > 1 or row[0].strip()):
                yield line, row

    return split
