"""The cluster as local processes, without Docker: what `make cluster` and the tests start."""
