"""Query parameters: what there is, how it is read, and what is said about mistakes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, ClassVar, Final, Protocol
from urllib.parse import unquote_to_bytes

from api.errors import Refused
from api.limits import QUERY_BYTES
from stream.events import check_id
from stream.positions import from_token

EXCLUDED: Final = 1_000
_REAL: Final = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.ASCII | re.IGNORECASE)


class Param(Protocol):
    """One query parameter. `read` raises Refused or InvalidEvent that names it."""

    @property
    def name(self) -> str: ...
    @property
    def repeated(self) -> bool: ...
    @property
    def default(self) -> Any: ...
    @property
    def says(self) -> str: ...
    def read(self, text: str) -> Any: ...
    def schema(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Number:
    """A whole number within bounds."""

    name: str
    low: int
    high: int
    default: int
    says: str = ""
    repeated: ClassVar[bool] = False

    def read(self, text: str) -> int:
        # More digits than this are out of every range, and int() would take its time.
        if text.isascii() and text.isdigit() and len(text) <= 18:
            number = int(text)
            if self.low <= number <= self.high:
                return number
        raise Refused(
            422, f"{self.name} must be a whole number from {self.low} to {self.high}", self.name
        )

    def schema(self) -> dict[str, Any]:
        return {
            "type": "integer", "minimum": self.low, "maximum": self.high, "default": self.default
        }  # fmt: skip


@dataclass(frozen=True)
class Flag:
    """`true` or `false`."""

    name: str
    default: bool = False
    says: str = ""
    repeated: ClassVar[bool] = False

    def read(self, text: str) -> bool:
        if text not in ("true", "false"):
            raise Refused(422, f"{self.name} must be true or false", self.name)
        return text == "true"

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean", "default": self.default}


@dataclass(frozen=True)
class Name:
    """An id or a name of something; repeated, the value is a list of them."""

    name: str
    repeated: bool = False
    says: str = ""

    @property
    def default(self) -> Any:
        return () if self.repeated else None

    def read(self, text: str) -> str:
        check_id(self.name, text)
        return text

    def schema(self) -> dict[str, Any]:
        one = {"type": "string", "minLength": 1, "maxLength": 128}
        return {"type": "array", "items": one, "maxItems": EXCLUDED} if self.repeated else one


@dataclass(frozen=True)
class Real:
    """A number within bounds; `default` None: none."""

    name: str
    low: float
    high: float
    default: float | None = None
    says: str = ""
    repeated: ClassVar[bool] = False

    def read(self, text: str) -> float:
        if len(text) <= 32 and _REAL.fullmatch(text):
            number = float(text)
            if self.low <= number <= self.high:
                return number
        raise Refused(
            422, f"{self.name} must be a number from {self.low:g} to {self.high:g}", self.name
        )

    def schema(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"type": "number", "minimum": self.low, "maximum": self.high}
        return shown if self.default is None else {**shown, "default": self.default}


@dataclass(frozen=True)
class Words:
    """Some of `known`, with commas between them; nothing between them is none of them."""

    name: str
    known: Sequence[str]
    says: str = ""
    default: ClassVar[None] = None
    repeated: ClassVar[bool] = False

    def read(self, text: str) -> tuple[str, ...]:
        words = tuple(text.split(",")) if text else ()
        if any(word not in self.known for word in words):
            message = f"{self.name} must be some of {', '.join(self.known)}, with commas between"
            raise Refused(422, message, self.name)
        return tuple(dict.fromkeys(words))

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "string", "enum": list(self.known)}}


@dataclass(frozen=True)
class Page:
    """The `next` of an earlier answer; `api.paging` reads what it holds."""

    name: str
    says: str = ""
    default: ClassVar[None] = None
    repeated: ClassVar[bool] = False

    def read(self, text: str) -> str:
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"}


@dataclass(frozen=True)
class Position:
    """A position token; the value is what it holds."""

    name: str
    says: str = ""
    default: ClassVar[None] = None
    repeated: ClassVar[bool] = False

    def read(self, text: str) -> dict[int, int]:
        return from_token(text)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "^[A-Za-z0-9._~-]{1,1024}$"}


class Query:
    """The parameters that a call knows."""

    def __init__(self, params: Sequence[Param]) -> None:
        self._defaults = {param.name: param.default for param in params}
        self._known = {param.name.encode(): param for param in params}

    def read(self, raw: bytes) -> dict[str, Any]:
        """Return every parameter's value. Raises Refused or InvalidEvent naming the parameter."""
        values = self._defaults.copy()
        if not raw:
            return values
        if len(raw) > QUERY_BYTES:
            raise Refused(422, f"the query must be at most {QUERY_BYTES} bytes", "query")
        repeated: dict[str, list[Any]] = {}
        once: set[str] = set()
        for part in raw.split(b"&"):
            if not part:
                continue
            encoded, _, value = part.partition(b"=")
            param = self._known.get(encoded) or self._named(encoded)
            name = param.name
            read = param.read(_text(name, value))
            if param.repeated:
                repeated.setdefault(name, []).append(read)
            elif name in once:
                raise Refused(422, f"{name} may be given once only", name)
            else:
                once.add(name)
                values[name] = read
        for name, read in repeated.items():
            values[name] = _all(name, read)
        return values

    def _named(self, encoded: bytes) -> Param:
        """The parameter of a name in which letters may be encoded. Raises Refused."""
        name = _decoded(encoded, "replace")
        param = self._known.get(name.encode())
        if param is None:
            raise _unknown(name, [param.name for param in self._known.values()])
        return param


def _all(name: str, read: list[Any]) -> tuple[Any, ...]:
    if len(read) > EXCLUDED:
        raise Refused(422, f"{name} may be given {EXCLUDED} times at most", name)
    return tuple(read)


def _text(name: str, value: bytes) -> str:
    try:
        return _decoded(value)
    except UnicodeDecodeError:
        raise Refused(422, f"{name} must be percent-encoded UTF-8", name) from None


def _decoded(encoded: bytes, errors: str = "strict") -> str:
    if b"%" in encoded or b"+" in encoded:
        encoded = unquote_to_bytes(encoded.replace(b"+", b" "))
    return encoded.decode(errors=errors)


def _unknown(name: str, known: list[str]) -> Refused:
    return Refused(422, f"the query {unknown_name(name, known)}", "query")


def unknown_name(name: str, known: Sequence[str]) -> str:
    """Say that a name is not known, and which one may have been meant; it is not repeated.

    >>> unknown_name("titel", ["item_id", "title"])
    'has a field that is not known here; did you mean title?'
    >>> unknown_name("x", [])
    'has a field that is not known here; none is'
    """
    near = get_close_matches(name[:64], known, 1)
    hint = f"known: {', '.join(known)}" if known else "none is"
    if near:
        hint = f"did you mean {near[0]}?"
    return f"has a field that is not known here; {hint}"
