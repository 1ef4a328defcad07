"""Plays recorded feedback against a running system, and measures what its users would have seen."""
