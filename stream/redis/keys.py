"""Names of the keys in Redis. Documented in docs/redis.md: others read them too.

All keys of a partition share a hash tag, so that one script may write them and one MGET read them.
"""

from __future__ import annotations


def tag(namespace: str, partition: int) -> str:
    """The hash tag of a partition.

    >>> tag("default", 3)
    '{default:3}'
    """
    return f"{{{namespace}:{partition}}}"


def row_prefix(namespace: str, partition: int) -> str:
    return f"{tag(namespace, partition)}:u:"


def embedding_prefix(namespace: str, partition: int) -> str:
    return f"{tag(namespace, partition)}:e:"


def row_key(namespace: str, partition: int, user_id: str) -> str:
    return row_prefix(namespace, partition) + user_id


def embedding_key(namespace: str, partition: int, user_id: str) -> str:
    return embedding_prefix(namespace, partition) + user_id


def mark_key(namespace: str, partition: int) -> str:
    """The next position: rows of all events below it are written. Missing: being filled."""
    return f"{tag(namespace, partition)}:mark"


def embedding_mark_key(namespace: str, partition: int) -> str:
    return f"{tag(namespace, partition)}:emark"


def fill_key(namespace: str, partition: int) -> str:
    """A hash of who is refilling the partition and how many batches they have written."""
    return f"{tag(namespace, partition)}:fill"


def epoch_key(namespace: str) -> str:
    """Changes with every refill; whoever remembers marks drops them then."""
    return f"{{{namespace}}}:epoch"


def _items(namespace: str) -> str:
    return f"{{{namespace}:items}}"


def item_key(namespace: str, item_id: str) -> str:
    return f"{_items(namespace)}:i:{item_id}"


def item_id_key(namespace: str, key: int) -> str:
    """Where the id of a history's 64-bit key is found.

    >>> item_id_key("default", 255)
    '{default:items}:k:00000000000000ff'
    """
    return f"{_items(namespace)}:k:{key:016x}"


def items_mark_key(namespace: str) -> str:
    return f"{_items(namespace)}:mark"


def trending_key(namespace: str) -> str:
    return f"{_items(namespace)}:trending"


def hash_key(namespace: str) -> str:
    """The model's state hash at a position of the examples."""
    return f"{_items(namespace)}:hash"


def served_key(log: str) -> str:
    """The namespace that API processes serve, of all that learn from this log."""
    return f"{{{log}}}:served"
