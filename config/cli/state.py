"""`freshet state` and `freshet rebuild`: what a log has taught, and the proof of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from config import bootstrap
from config.cli.options import AsJson, ConfigFile, DataDir, progress_bar, settings_for, show
from config.settings import Settings
from models.answers import Asked
from stream.learner import Learner

_BATCH = 1_000

Brokers = Annotated[
    str | None, typer.Option("--kafka", help="The cluster instead of a folder: HOST:PORT.")
]


def register(app: typer.Typer) -> None:
    app.command()(state)
    app.command()(rebuild)


def state(
    data_dir: DataDir = None,
    kafka: Brokers = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show positions, counts and the state hash: newest snapshot plus the log's tail.

    Writes nothing, and may run beside a server.

    Example: `freshet state --data-dir freshet-data --json`
    """
    if kafka is not None:
        show(_of_cluster(settings_for(config, kafka__bootstrap=kafka), True), as_json)
        return
    learner = bootstrap.reader(settings_for(config, data_dir), snapshots=True)
    while learner.learn(_BATCH):
        pass
    show(_state_of(learner), as_json)


def rebuild(
    data_dir: DataDir = None,
    kafka: Brokers = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Records a batch.")] = _BATCH,
    read_every: Annotated[
        int, typer.Option(min=0, help="Ask for recommendations after so many records; 0: never.")
    ] = 0,
) -> None:
    """Learn the whole log again, from its first record, opening no snapshot.

    Whatever the batches and the reads in between, the state hash is that of `freshet state`.

    Example: `freshet rebuild --data-dir freshet-data --batch-size 7 --read-every 100`
    """
    if kafka is not None:
        show(_of_cluster(settings_for(config, kafka__bootstrap=kafka), False), as_json)
        return
    learner = bootstrap.reader(settings_for(config, data_dir), snapshots=False)
    since_read = 0
    with progress_bar("learning the log again", None) as advance:
        while learned := learner.learn(batch_size):
            advance(learned)
            since_read += learned
            if read_every and since_read >= read_every:
                since_read = 0
                _read(learner)
    show(_state_of(learner), as_json)


def _of_cluster(settings: Settings, from_snapshots: bool) -> dict[str, Any]:
    """Read the topics to their ends with both stages; nothing is written anywhere."""
    from config.cluster import Parts, offline
    from config.namespaces import names_of
    from stream.cluster.offline import TopicReader

    parts = Parts(settings, names_of(settings))
    whole, reader = offline(parts), TopicReader(parts.kafka)
    try:
        with progress_bar("reading the topics", None) as advance:
            whole.read(reader, parts.snapshots(True) if from_snapshots else None, advance)
    finally:
        reader.close()
    return whole.describe()


def _read(learner: Learner) -> None:
    """Ask as a client would; the answer is thrown away, and must leave no trace."""
    model = learner.stage.model
    for user_id, _ in learner.profiles.user_ids(3):
        row = learner.profiles.row(user_id)
        if row is not None:
            asked = Asked(row.past, row.types)
            listed = model.recommend(asked)
            model.embedding(asked)
            for place in listed[:1]:
                model.similar(model.id_of(place.row), 10)
                model.rating(user_id, model.id_of(place.row))
    model.trending(10)


def _state_of(learner: Learner) -> dict[str, Any]:
    return {
        "positions": {str(learner.profiles.partition): learner.next_offset},
        **learner.profiles.counts(),
        "users": learner.profiles.users,
        "items": learner.stage.model.items,
        "state_hash": learner.state_hash(),
    }
