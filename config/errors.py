"""Mistakes in the configuration; the program ends with exit code 2 on them."""


class ConfigError(Exception):
    """A setting is wrong. The message names the key, where it came from, and the nearest known one."""
