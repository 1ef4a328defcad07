"""Quality on whole data sets, foretold event by event: `python -m benchmarks.quality`.

MovieLens-100K is fetched; the Yoochoose sessions are taken from FRESHET_TEST_DATA, if set.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.record import Figure, record
from models.settings import LearningSettings
from producers import datasets
from producers.evaluate import Evaluation
from producers.readers import read
from stream.manifest import Manifest


def main() -> int:
    figures = films()
    data = os.environ.get("FRESHET_TEST_DATA")
    if data:
        figures += sessions(Path(data) / "yoochoose" / "train_full.txt")
    else:
        print("FRESHET_TEST_DATA is not set: the session data is left out", file=sys.stderr)
    return 0 if record("quality", figures) else 1


def films() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        found = evaluate(datasets.get("ml-100k", Path(folder)) / "ml-100k.inter", "recbole")
    return [
        Figure("ML-100K hr@10", found["hr@10"], 0.205, ""),
        Figure("ML-100K ndcg@10", found["ndcg@10"], 0.107, ""),
        Figure("ML-100K hr@20", found["hr@20"], None, ""),
        Figure("ML-100K rmse", found["rmse"], 0.95, "", "lower"),
        Figure("ML-100K scored and learned", found["events_per_s"], 500, "events/s"),
    ]


def sessions(file: Path) -> list[Figure]:
    found = evaluate(file, "sessions")
    return [
        Figure("Yoochoose hr@20", found["hr@20"], 0.365, ""),
        Figure("Yoochoose ndcg@10", found["ndcg@10"], None, ""),
        Figure("Yoochoose scored and learned", found["events_per_s"], 500, "events/s"),
    ]


def evaluate(file: Path, format: str) -> dict[str, Any]:
    return Evaluation(LearningSettings(), Manifest()).run(read(file, format))


if __name__ == "__main__":
    sys.exit(main())
