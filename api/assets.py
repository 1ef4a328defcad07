"""Static files, read once at the start and served from memory: no path of a request is opened."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.responses import Response

from api.errors import Refused

_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}


@dataclass(frozen=True)
class _File:
    body: bytes
    headers: dict[str, str]


class Assets:
    """Files by their names; those of a type a browser has no use for are left out."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._files = {f.name: _read(f) for f in files if f.suffix in _TYPES and f.is_file()}

    def answer(self, name: str, known: str = "") -> Response:
        """The file, or 304 where the client knows this very version. Raises Refused."""
        file = self._files.get(name)
        if file is None:
            raise Refused(404, "there is no such file", "file")
        if known == file.headers["ETag"]:
            return Response(status_code=304, headers=file.headers)
        return Response(file.body, headers=file.headers)


def _read(path: Path) -> _File:
    body = path.read_bytes()
    tag = hashlib.blake2b(body, digest_size=12).hexdigest()
    headers = {
        "Content-Type": _TYPES[path.suffix], "ETag": f'"{tag}"', "Cache-Control": "no-cache"
    }  # fmt: skip
    return _File(body, headers)
