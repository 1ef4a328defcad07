"""Every topic and consumer group of a namespace by its name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of one namespace; the default's are bare.

    `namespace` is who learns: examples and groups are its own. `log` is the namespace whose
    events and catalogue it learns from; by default its own. One filled beside a live namespace
    reads the live one's log, and the live one alone re-routes events and buries dead letters.

    >>> Topics().dead, Topics("trial").events, Topics("trial").model_group
    ('events.dead', 'events.trial', 'freshet-model.trial')
    >>> Topics("trial", log="default").events, Topics("trial", log="default").examples
    ('events', 'examples.trial')
    """

    namespace: str = "default"
    log: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "log", self.log or self.namespace)

    @property
    def owns_log(self) -> bool:
        """Whether the log is this namespace's own; else nothing of it is ever written."""
        return self.log == self.namespace

    def _named(self, name: str) -> str:
        return _named(name, self.namespace)

    @property
    def events(self) -> str:
        """Feedback, impressions and user attributes, by user."""
        return _named("events", self.log)

    @property
    def control(self) -> str:
        """Catalogue and settings: one partition, kept for ever."""
        return _named("control", self.log)

    @property
    def examples(self) -> str:
        """What stage one makes of both, in the order the model learns it: one partition."""
        return self._named("examples")

    @property
    def dead(self) -> str:
        """What could not be learned."""
        return _named("events.dead", self.log)

    @property
    def all(self) -> tuple[str, str, str, str]:
        return self.events, self.control, self.examples, self.dead

    @property
    def profiles_group(self) -> str:
        """The consumer group of stage one."""
        return self._named("freshet-profiles")

    @property
    def model_group(self) -> str:
        """The consumer group of stage two."""
        return self._named("freshet-model")


def _named(name: str, namespace: str) -> str:
    return name if namespace == "default" else f"{name}.{namespace}"
