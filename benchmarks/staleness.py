"""What staleness costs on MovieLens-100K: `python -m benchmarks.staleness`.

Writes the figures, and the plot of the README. `--limit N` takes the first N events.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.record import Figure, record
from config.cli.options import progress_bar
from models.settings import LearningSettings
from producers import datasets
from producers.evaluate import prepare
from producers.evaluate.lag import parse_lags
from producers.evaluate.page import staleness
from producers.evaluate.study import Study, Variant
from producers.evaluate.tables import lag_name
from producers.readers import read
from producers.report.plots import standalone
from stream.manifest import Manifest

_PLOT = Path(__file__).parent.parent / "docs" / "images" / "staleness.svg"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, help="only the first N events")
    parser.add_argument("--lag", default="0,10,100,1000,1h")
    parser.add_argument("--lag-crowd", default="1000,10000,1h")
    asked = parser.parse_args()
    lags = [
        *parse_lags(asked.lag, "--lag"),
        *parse_lags(asked.lag_crowd, "--lag-crowd", crowd=True),
    ]
    study = Study(Variant("defaults", LearningSettings(), Manifest()), lags=lags)
    with tempfile.TemporaryDirectory() as folder:
        file = datasets.get("ml-100k", Path(folder)) / "ml-100k.inter"
        report = study.of(prepare(read(file, "recbole"), asked.limit), progress_bar)
    _PLOT.write_text(standalone(staleness(report)), "utf-8")
    figures = [
        Figure(f"ML-100K {metric}, late by {lag_name(found)}", found[metric], None, "")
        for found in report["lag"]
        for metric in ("ndcg@10", "relative_ndcg@10")
    ]
    name = "staleness" if asked.limit is None else f"staleness-{asked.limit}"
    return 0 if record(name, figures) else 1


if __name__ == "__main__":
    sys.exit(main())
