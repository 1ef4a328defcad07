"""The `freshet` command: parses, calls, and turns known errors into a line and an exit code."""

from __future__ import annotations

import sys

from config.cli.verbs import command_line


def main() -> None:
    """Exit 0 done (also after Ctrl-C), 1 failed, 2 wrong usage or setting."""
    named = [word for word in sys.argv[1:] if not word.startswith("-")][:1]
    try:
        command_line(named)()
    except KeyboardInterrupt:
        _end("stopped", 0)
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        _end(str(error), code)


def _exit_code(error: Exception) -> int | None:
    """2 for mistakes of usage or configuration, 1 for other known failures; None: not foreseen.

    What can be raised is imported here: by now the verb has done so, and help waits for nothing.
    """
    from api.errors import ApiError
    from config.errors import ConfigError
    from models.errors import ModelError
    from producers.errors import OptionError, ProducerError
    from stream.errors import FolderInUse, ManifestMismatch, SettingsDiffer, StreamError
    from stream.kafka.errors import SecurityMistake, TopicsDiffer

    usage = (
        ConfigError, FolderInUse, ManifestMismatch, OptionError, SecurityMistake, SettingsDiffer,
        TopicsDiffer,
    )  # fmt: skip
    if isinstance(error, usage):
        return 2
    known = isinstance(error, ApiError | ProducerError | StreamError | ModelError | OSError)
    return 1 if known else None


def _end(message: str, code: int) -> None:
    sys.stderr.write(f"freshet: {message}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
