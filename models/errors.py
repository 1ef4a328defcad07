"""What can go wrong inside the models; every error names its probable cause."""


class ModelError(Exception):
    """Base of all errors raised by `models`."""


class StateMismatch(ModelError):
    """A dump does not fit the tables it is loaded into: other learning version or settings."""


class GuestRefused(ModelError):
    """A stored guest model names a class that is not on the allow-list."""


class SettingUnsuitable(ModelError):
    """A learning configuration cannot be learned under; `key` is dotted, `cause` without values."""

    def __init__(self, key: str, cause: str) -> None:
        super().__init__(f"{key}: {cause}")
        self.key = key
        self.cause = cause


class GuestUnknown(SettingUnsuitable):
    """A configuration names a model or a parameter that River does not have."""


class ExtraMissing(SettingUnsuitable):
    """A setting needs a package that is not installed here, or is there as another version."""


def how_to_install(extra: str) -> str:
    """What to type for an extra: from the folder, since PyPI's `freshet` is somebody else's.

    >>> how_to_install("traces")
    "`.venv/bin/pip install -e '.[traces]'` in Freshet's folder"
    """
    return f"`.venv/bin/pip install -e '.[{extra}]'` in Freshet's folder"
