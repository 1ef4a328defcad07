"""Everything that makes or reads events; it may use `stream`, never `api`."""
