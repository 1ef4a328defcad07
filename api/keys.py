"""API keys: made at random, kept as hashes in one file, looked up in constant time."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import msgspec
import structlog
from msgspec import Struct

from api.errors import ApiError
from stream.whole import whole_file

#: What a key may do; `admin` may do everything.
Scope = Literal["read", "write", "admin"]

# A running server takes a changed file up after this.
_LOOK_S: Final = 1.0
_PREFIX: Final = "fr"
# Compared against where no key has the id, so that an answer tells nothing by its time.
_NOBODY: Final = "0" * 64


class KeysUnreadable(ApiError):
    """The file of keys cannot be read or written."""


class UnknownKey(ApiError):
    """No key has this id."""


class Key(Struct, frozen=True, kw_only=True):
    """A key as it is stored. The secret has 256 random bits, so that a plain hash guards it."""

    id: str
    scopes: tuple[Scope, ...]
    sha256: str
    created_at: float  # seconds since the epoch

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes or "admin" in self.scopes


class _File(Struct, frozen=True, kw_only=True):
    schema: int = 1
    keys: list[Key]


_decoder = msgspec.json.Decoder(_File)
logger = structlog.get_logger(__name__)


class KeyFile:
    """The keys of an installation. Whoever changes them holds a lock; readers see whole files."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Key]:
        """All keys, oldest first. Raises KeysUnreadable: a broken file must not open the door."""
        try:
            return _decoder.decode(self.path.read_bytes()).keys
        except FileNotFoundError:
            return []
        except (OSError, msgspec.MsgspecError) as error:
            raise KeysUnreadable(f"{self.path} cannot be read: {error}") from None

    def create(self, scopes: tuple[Scope, ...]) -> tuple[Key, str]:
        """Add a key; return it and its text, which is told this once."""
        secret, id = secrets.token_urlsafe(32), secrets.token_hex(4)
        text = f"{_PREFIX}_{id}_{secret}"
        key = Key(id=id, scopes=scopes, sha256=_hashed(text), created_at=round(time.time(), 3))
        with self._changing() as keys:
            keys.append(key)
        return key, text

    def revoke(self, id: str) -> Key:
        """Remove a key. Raises UnknownKey."""
        with self._changing() as keys:
            for key in keys:
                if key.id == id:
                    keys.remove(key)
                    return key
        raise UnknownKey(f"no key has this id; `freshet keys list` shows those of {self.path}")

    @contextmanager
    def _changing(self) -> Iterator[list[Key]]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path.with_suffix(".lock"), "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                keys = self.read()
                yield keys
                self._write(keys)
        except OSError as error:
            raise KeysUnreadable(f"{self.path} cannot be written: {error.strerror}") from None

    def _write(self, keys: list[Key]) -> None:
        """Nobody but the owner may read them."""
        with whole_file(self.path) as aside:
            aside.touch(0o600, exist_ok=False)
            aside.write_bytes(msgspec.json.format(msgspec.json.encode(_File(keys=keys))))


class KeyRing:
    """The keys as a running server knows them. Once keys are asked for, they stay asked for."""

    def __init__(self, file: KeyFile, required: bool = False) -> None:
        self._file = file
        self._keys = {key.id: key for key in file.read()}
        self._stamp = self._look()
        self._looked_at = time.monotonic()
        self.required = required or bool(self._keys)

    @property
    def known(self) -> int:
        """How many keys there are."""
        return len(self._keys)

    def find(self, text: str) -> Key | None:
        """The key with this text, None where there is none."""
        parts = text.split("_", 2)
        key = self._keys.get(parts[1]) if len(parts) == 3 else None
        right = hmac.compare_digest(_hashed(text), key.sha256 if key else _NOBODY)
        return key if right else None

    def refresh(self) -> None:
        """Take up a file that has changed, at most once a second, as soon as it can be read."""
        now = time.monotonic()
        if now - self._looked_at < _LOOK_S:
            return
        self._looked_at = now
        stamp = self._look()
        if stamp == self._stamp:
            return
        try:
            self._keys = {key.id: key for key in self._file.read()}
        except KeysUnreadable as error:
            # Looked at again: it may have been for want of a descriptor, and a key be revoked.
            logger.warning("the keys known before go on", reason=str(error))
            return
        self._stamp = stamp
        self.required = self.required or bool(self._keys)

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = self._file.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
