"""Quality on whole data sets, foretold event by event: `python -m benchmarks.quality`.

MovieLens-100K is fetched; the Yoochoose sessions are taken from FRESHET_TEST_DATA, if set.
Baselines run beside Freshet, as far as they are installed; `--limit N` takes the first N events.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.record import Figure, record
from models.settings import LearningSettings
from producers import datasets
from producers.baselines import BASELINES, require
from producers.errors import OptionError
from producers.evaluate import Evaluation
from producers.readers import read
from stream.manifest import Manifest

#: What must be reached on all events; the first few do not reach it.
_FILMS = {"hr@10": 0.220, "ndcg@10": 0.115, "hr@20": 0.333, "rmse": 0.92, "mae": 0.722}
_SESSIONS = {"hr@20": 0.385, "ndcg@10": 0.198}
_SESSIONS_AGAIN = {"hr@20": 0.54}
_LOWER = ("rmse", "mae")
# Scored and learned on one core.
_EVENTS_PER_S = 1_000
# Metrics in which a baseline must be behind.
_AHEAD = ("hr@20", "ndcg@10")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, help="only the first N events of each file")
    limit = parser.parse_args().limit
    figures = films(limit)
    data = os.environ.get("FRESHET_TEST_DATA")
    if data:
        figures += sessions(Path(data) / "yoochoose" / "train_full.txt", limit)
    else:
        print("FRESHET_TEST_DATA is not set: the session data is left out", file=sys.stderr)
    name = "quality" if limit is None else f"quality-{limit}"
    return 0 if record(name, figures) else 1


def films(limit: int | None) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        file = datasets.get("ml-100k", Path(folder)) / "ml-100k.inter"
        found = evaluate(file, "recbole", limit)
    return figures_of("ML-100K", found, _FILMS, limit)


def sessions(file: Path, limit: int | None) -> list[Figure]:
    found = evaluate(file, "sessions", limit)
    again = evaluate(file, "sessions", limit, repeats=True)
    return [
        *figures_of("Yoochoose", found, _SESSIONS, limit),
        *figures_of("Yoochoose with repeats", again, _SESSIONS_AGAIN, limit),
    ]


def evaluate(
    file: Path, format: str, limit: int | None, *, repeats: bool = False
) -> dict[str, Any]:
    evaluation = Evaluation(
        LearningSettings(), Manifest(), repeats=repeats, against=installed_baselines()
    )
    return evaluation.run(read(file, format), limit)


def installed_baselines() -> list[str]:
    """Baselines that can run here; what is missing is said once a call."""
    found = []
    for name in BASELINES:
        try:
            require([name])
            found.append(name)
        except OptionError as error:
            print(error, file=sys.stderr)
    return found


def figures_of(
    name: str, found: dict[str, Any], targets: dict[str, float], limit: int | None
) -> list[Figure]:
    figures = [
        Figure(f"{name} {metric}", found[metric], None if limit else target, "", _better(metric))
        for metric, target in targets.items()
    ]
    speed = found["events_per_s"]
    figures.append(Figure(f"{name} scored and learned", speed, _EVENTS_PER_S, "events/s"))
    for baseline, theirs in found["against"].items():
        for metric in _AHEAD:
            figures.append(Figure(f"{name} {baseline} {metric}", theirs[metric], None, ""))
            ratio = found[metric] / max(theirs[metric], 1e-9)
            figures.append(Figure(f"{name} {metric} over {baseline}'s", ratio, 1.0, "times"))
        took = theirs["ms_per_event"]
        figures.append(Figure(f"{name} {baseline} an event", took, None, "ms", "lower"))
        if theirs["refit_s"] is not None:
            took = theirs["refit_s"]
            figures.append(Figure(f"{name} {baseline} refits", took, None, "s", "lower"))
    return figures


def _better(metric: str) -> str:
    return "lower" if metric in _LOWER else "higher"


if __name__ == "__main__":
    sys.exit(main())
