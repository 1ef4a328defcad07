"""What can be wrong with a Kafka cluster; messages say how to mend it."""

from __future__ import annotations

from collections.abc import Sequence

from stream.errors import StreamError


class BrokerUnreachable(StreamError):
    """No broker answered in time, or it refused this client."""

    def __init__(self, bootstrap: str, reason: str) -> None:
        super().__init__(
            f"no Kafka broker answers at {bootstrap} ({reason}); is it running, and are "
            "kafka.bootstrap and kafka.security right?"
        )
        self.bootstrap = bootstrap


class TopicsDiffer(StreamError):
    """The topics are not as this namespace needs them; `faults` names each and its remedy."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(
            "the topics are not right:\n" + "\n".join(f"  {fault}" for fault in faults)
        )
        self.faults = list(faults)


class SecurityMistake(StreamError):
    """The security settings contradict each other, or a file they name cannot be used."""
