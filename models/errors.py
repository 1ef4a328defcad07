"""What can go wrong inside the models; every error names its probable cause."""


class ModelError(Exception):
    """Base of all errors raised by `models`."""


class StateMismatch(ModelError):
    """A dump does not fit the tables it is loaded into: other learning version or settings."""


class GuestRefused(ModelError):
    """A stored guest model names a class that is not on the allow-list."""
