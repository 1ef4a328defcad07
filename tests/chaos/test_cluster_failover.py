"""Three brokers, and the one that leads is killed under load; behind --full."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.cluster_rig import Rig, running

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(1_800),
    # It leaves the sockets of refused connections to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


@pytest.fixture
def rig(full: bool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    if not full:
        pytest.skip("minutes long: --full")
    with running(tmp_path_factory.mktemp("rig"), brokers=3) as made:
        yield made


def test_the_leader_is_killed_under_load(rig: Rig, seed: int) -> None:
    topics = rig.parts().topics
    with rig.under_load(seed) as load:
        for topic in (topics.events, topics.examples, topics.events):
            load.wait_for(500)
            leader = rig.leader(topic)
            leader.kill()
            load.wait_for(500)  # two of three are enough
            leader.start()
            leader.await_ready()
        load.wait_for(500)
    assert not load.errors, load.errors[:3]
    rig.check(load.acknowledged)
    rig.require_fresh()
