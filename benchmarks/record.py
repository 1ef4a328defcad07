"""Results: a table on stdout, and a JSON file with machine and commit."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Figure:
    """One measured figure and what it should be; `better` says in which direction."""

    name: str
    measured: float
    target: float | None
    unit: str
    better: str = "higher"

    @property
    def ratio(self) -> float | None:
        """Above 1 is better than the target, whichever direction is better."""
        if self.target is None or not self.measured:
            return None
        higher = self.better == "higher"
        return self.measured / self.target if higher else self.target / self.measured


def machine() -> dict[str, str | int]:
    model = "unknown"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":")[1].strip()
                break
    return {
        "cpu": model,
        "cores": os.cpu_count() or 1,
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def commit() -> str:
    """The commit measured, with a + when the checkout differs from it."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        dirty = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks")
        return head + ("+" if dirty else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], capture_output=True, text=True, check=True, cwd=RESULTS.parent
    )
    return done.stdout.strip()


def record(name: str, figures: list[Figure]) -> bool:
    """Print and store; True when every target was met."""
    print(f"{'figure':<52}{'measured':>14}{'target':>12}{'ratio':>8}  unit")
    for figure in figures:
        target = "-" if figure.target is None else f"{figure.target:g}"
        ratio = "-" if figure.ratio is None else f"{figure.ratio:.2f}"
        print(f"{figure.name:<52}{figure.measured:>14.4f}{target:>12}{ratio:>8}  {figure.unit}")
    RESULTS.mkdir(exist_ok=True)
    result = {
        "benchmark": name,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": commit(),
        "machine": machine(),
        "figures": [{**asdict(figure), "ratio": figure.ratio} for figure in figures],
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    return all(figure.ratio is None or figure.ratio >= 1 for figure in figures)
