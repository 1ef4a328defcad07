"""What can go wrong while events move; errors carry the data a caller needs to react."""


class StreamError(Exception):
    """Base of all errors raised by `stream`."""


class InvalidEvent(StreamError):
    """A record cannot be learned: `field` is the place, `reason` the cause without its value."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason


class LogUnavailable(StreamError):
    """The log cannot take records now (disk full, broker away); nothing of the call was kept."""

    def __init__(self, reason: str, retry_after_s: float = 1.0) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class LogMismatch(StreamError):
    """A snapshot belongs to another log, or the log lost records the snapshot has seen."""


class SnapshotCorrupt(StreamError):
    """A snapshot file fails its checksum or cannot be read; the previous one is used."""


class ManifestMismatch(StreamError):
    """Settings that are fixed for the life of a namespace differ from its manifest."""

    def __init__(self, keys: list[str]) -> None:
        super().__init__(
            f"{', '.join(keys)} cannot change in a running namespace; "
            "fill a new data folder with the new value instead"
        )
        self.keys = keys


class SettingsDiffer(StreamError):
    """The learning configuration of a process is not the one in force; `keys` are dotted."""

    def __init__(self, keys: list[str]) -> None:
        super().__init__(
            f"{', '.join(keys)} differ from what the namespace learns under; set them back, or "
            "have everything learn under the new values: `freshet settings apply`"
        )
        self.keys = keys


class FolderInUse(StreamError):
    """Another process holds the data folder."""


class SequenceGap(StreamError):
    """An example's predecessor was never applied: something was lost between the stages."""


class EmitFailed(StreamError):
    """A record of stage one was not acknowledged: the process must end before the next."""


class StoreUnavailable(StreamError):
    """The serving store cannot answer or take a write now; nothing that was asked is known.

    `kind` counts causes: timeout, connection, memory, corrupt, other.
    """

    def __init__(self, reason: str, kind: str = "other") -> None:
        super().__init__(reason)
        self.kind = kind


class DependencyLeftAlone(StreamError):
    """What a request needs has failed again and again, and is not asked before `retry_after_s`."""

    def __init__(self, name: str, retry_after_s: float) -> None:
        super().__init__(f"{name} failed again and again, and rest for a moment")
        self.retry_after_s = retry_after_s


class PositionLost(StreamError):
    """A partition does not hold the next offset any more: records are gone that were not read.

    `first` and `end` are what the log holds now: the first offset, and the one after the last.
    """

    def __init__(self, topic: str, partition: int, position: int, first: int, end: int) -> None:
        cause = (
            "retention removed what was not read yet: rebuild from what is left, "
            "and raise retention above the longest outage"
            if position < first
            else "the topic was made anew or lost its end: restore it, or use another namespace"
        )
        super().__init__(
            f"{topic}/{partition} holds offsets {first} to {end}, but {position} is next; {cause}"
        )
        self.topic = topic
        self.partition = partition
        self.position = position
        self.first = first
        self.end = end
