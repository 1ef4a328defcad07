"""Public data sets that are fetched when asked for, never shipped, each with its terms."""

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from producers.errors import DatasetUnavailable, OptionError
from producers.wheel import PinnedWheel, download

Fetch = Callable[[PinnedWheel, Path], Path]
Say = Callable[[str], None]

NOTICE_FILE = "NOTICE.txt"


@dataclass(frozen=True)
class _Source:
    description: str
    wheel: PinnedWheel
    folder: str  # inside the wheel
    files: Mapping[str, str]  # file name -> sha256
    terms: str


_SOURCES = {
    "ml-100k": _Source(
        description="MovieLens 100K: 100,000 ratings of 1,682 films by 943 people, 1997-98",
        wheel=PinnedWheel(
            requirement="recbole==1.2.1",
            sha256="9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
        ),
        folder="recbole/dataset_example/ml-100k",
        files={
            "ml-100k.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
            "ml-100k.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
            "ml-100k.user": "4f670007d9cfbeb9807e757209af1555b9bcc186bde25e767f67cb67c6dd5972",
        },
        terms="""\
MovieLens 100K is the data of GroupLens Research, University of Minnesota.

It may be used for research under the conditions in GroupLens' README for ml-100k, among them:
- no endorsement by the University of Minnesota or the GroupLens Research Group may be stated
  or implied;
- publications that use the data acknowledge it (see the citation below);
- the data may not be redistributed without separate permission;
- commercial or revenue-bearing use needs permission from a faculty member of the GroupLens
  Research Project.
The data comes without any guarantee.

F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and Context.
ACM Transactions on Interactive Intelligent Systems (TiiS) 5, 4, Article 19.

The files here are a copy in RecBole's format, taken out of the Python package recbole 1.2.1.
Freshet neither owns nor contains this data.
""",
    )
}


def available() -> list[tuple[str, str]]:
    """(name, description) of every data set that `get` knows."""
    return [(name, source.description) for name, source in _SOURCES.items()]


def terms(name: str) -> str:
    """Whose data it is and under which terms it may be used."""
    return _source(name).terms


def get(name: str, folder: Path, progress: Say | None = None, fetch: Fetch = download) -> Path:
    """Return `folder/<name>` with the data set whole in it, fetching it when it is not.

    Order: download to a temporary folder beside the target, compare every file with its pinned
    digest, write the notice, then move each file to its place. A crash in between leaves a set
    that is seen to be incomplete and fetched again. Raises DatasetUnavailable or OptionError.
    """
    source = _source(name)
    target = folder / name
    say = progress or (lambda _: None)
    try:
        if _is_whole(target, source):
            say(f"{name} is already in {target}")
            return target
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target) as temporary:
            say(f"downloading {source.wheel.requirement}, which holds {name}")
            wheel = fetch(source.wheel, Path(temporary))
            say(f"taking {name} out of it")
            _extract(name, source, wheel, Path(temporary))
            _install(source, Path(temporary), target)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DatasetUnavailable(f"{name} could not be stored in {target}: {reason}") from error
    say(f"{name} is in {target}")
    return target


def _source(name: str) -> _Source:
    if name not in _SOURCES:
        raise OptionError(f"there is no data set {name!r}; there are: {', '.join(_SOURCES)}")
    return _SOURCES[name]


def _is_whole(target: Path, source: _Source) -> bool:
    files = {target / file: digest for file, digest in source.files.items()}
    return (target / NOTICE_FILE).is_file() and all(
        path.is_file() and _digest(path.read_bytes()) == digest for path, digest in files.items()
    )


def _extract(name: str, source: _Source, wheel: Path, temporary: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            for file, digest in source.files.items():
                content = archive.read(f"{source.folder}/{file}")
                if _digest(content) != digest:
                    raise DatasetUnavailable(
                        f"{name} was not stored: {file} is not the file that was expected"
                    )
                (temporary / file).write_bytes(content)
    except (KeyError, zipfile.BadZipFile) as error:
        raise DatasetUnavailable(
            f"{name} was not stored: the download is not the package that was expected"
        ) from error


def _install(source: _Source, temporary: Path, target: Path) -> None:
    (temporary / NOTICE_FILE).write_text(source.terms, encoding="utf-8")
    for file in (NOTICE_FILE, *source.files):
        os.replace(temporary / file, target / file)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
