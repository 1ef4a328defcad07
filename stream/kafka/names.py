"""Every topic and consumer group of a namespace by its name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of one namespace; the default's are bare.

    >>> Topics().dead, Topics("trial").events, Topics("trial").model_group
    ('events.dead', 'events.trial', 'freshet-model.trial')
    """

    namespace: str = "default"

    def _named(self, name: str) -> str:
        return name if self.namespace == "default" else f"{name}.{self.namespace}"

    @property
    def events(self) -> str:
        """Feedback, impressions and user attributes, by user."""
        return self._named("events")

    @property
    def control(self) -> str:
        """Catalogue and settings: one partition, kept for ever."""
        return self._named("control")

    @property
    def examples(self) -> str:
        """What stage one makes of both, in the order the model learns it: one partition."""
        return self._named("examples")

    @property
    def dead(self) -> str:
        """What could not be learned."""
        return self._named("events.dead")

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
