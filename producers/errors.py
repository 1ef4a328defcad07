"""What can go wrong where events are made or read. One base: `ProducerError`.

Messages name the place and what was expected, never the content that was found there.
"""


class ProducerError(Exception):
    """Base of every error that this package raises on purpose."""


class OptionError(ProducerError):
    """A format, data set or option that does not exist: the caller's usage is wrong."""


class ReadError(ProducerError):
    """A data file that cannot be read, with the place and what was expected there."""

    def __init__(
        self,
        file: str,
        expected: str,
        *,
        line: int | None = None,
        column: str | None = None,
    ) -> None:
        self.file = file
        self.line = line
        self.column = column
        self.expected = expected
        place = file
        if line is not None:
            place += f", line {line}"
        if column is not None:
            place += f", column {column}"
        super().__init__(f"{place}: expected {expected}")


class DatasetUnavailable(ProducerError):
    """A known data set that could not be fetched or stored."""


class SinkError(ProducerError):
    """The receiving side did not take what it was sent."""


class SinkUnavailable(SinkError):
    """Nobody answered, or only with "later"; the same events may be sent again."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class IngestRefused(SinkError):
    """The receiver will never take this; `line` is where it stands in the data file."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        field: str | None = None,
        file: str | None = None,
        line: int | None = None,
    ) -> None:
        self.status = status
        self.field = field
        self.file = file
        self.line = line
        super().__init__(message)


class IngestInterrupted(SinkError):
    """An ingest that stopped half way; sending the whole file again changes nothing twice."""

    def __init__(self, message: str, *, items: int, users: int, events: int) -> None:
        self.items = items
        self.users = users
        self.events = events
        super().__init__(message)
