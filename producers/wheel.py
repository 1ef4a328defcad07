"""Fetching one pinned wheel through pip, with whatever index pip is configured for."""

import ensurepip
import importlib.util
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from producers.errors import DatasetUnavailable

# A wheel of some megabytes over a slow line takes a minute; past this somebody is waiting
# for a network that is not there.
DOWNLOAD_TIMEOUT_S = 180


@dataclass(frozen=True)
class PinnedWheel:
    """A requirement with its exact version, and the digest of its only acceptable wheel."""

    requirement: str
    sha256: str


def download(wheel: PinnedWheel, folder: Path) -> Path:
    """Put the wheel into `folder` and return its path, or raise DatasetUnavailable.

    pip's own output is not passed on: it may hold an index address with credentials.
    """
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
    arguments = ["download", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    arguments += [
        "--no-input",
        "--disable-pip-version-check",
        "--no-cache-dir",
        "--retries",
        "2",
    ]
    arguments += [
        "--timeout",
        "20",
        "--dest",
        str(folder),
        "--requirement",
        str(wanted),
    ]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip", *arguments],
            env=_environment(),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=DOWNLOAD_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        reason = f"the download took more than {DOWNLOAD_TIMEOUT_S} s"
        raise DatasetUnavailable(_message(wheel, reason)) from None
    if done.returncode != 0:
        raise DatasetUnavailable(_message(wheel, _reason(done.stderr)))
    found = next(folder.glob("*.whl"), None)
    if found is None:
        raise DatasetUnavailable(_message(wheel, "pip ended without an error and without a file"))
    return found


def _environment() -> dict[str, str]:
    """The caller's environment; where no pip is installed, with the one Python brings along."""
    environment = dict(os.environ)
    if importlib.util.find_spec("pip") is None:
        bundled = Path(ensurepip.__file__).parent / "_bundled"
        # Debian keeps the bundled wheels here instead.
        for folder in (bundled, Path("/usr/share/python-wheels")):
            for wheel in sorted(folder.glob("pip-*.whl")):
                environment["PYTHONPATH"] = str(wheel)
                return environment
    return environment


def _reason(stderr: str) -> str:
    if "DO NOT MATCH THE HASHES" in stderr:
        return "what the index offers is not the file that was expected (its digest differs)"
    if "No module named pip" in stderr:
        return "this Python has no pip (on Debian: apt install python3-pip)"
    if "No matching distribution" in stderr:
        return "no package index could be reached, or it does not offer this version"
    return "pip failed"


def _message(wheel: PinnedWheel, reason: str) -> str:
    return (
        f"{wheel.requirement} could not be fetched: {reason}. Check the network and pip's "
        f"settings, for example with: python -m pip download --no-deps {wheel.requirement}"
    )
