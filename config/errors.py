"""Mistakes in the configuration; the program ends with exit code 2 on them."""


class ConfigError(Exception):
    """A setting is wrong; the message names the key and the nearest known one."""
