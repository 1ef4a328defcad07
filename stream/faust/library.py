"""Faust's names, imported so that it does not read this process's command line.

`import faust` looks for -L, --loop and --datadir in sys.argv and acts on them, or exits.
"""

from __future__ import annotations

import sys

_arguments, sys.argv = sys.argv, sys.argv[:1]
try:
    import faust
    from faust.auth import SASLCredentials, SSLCredentials
    from faust.exceptions import ConsumerNotStarted
    from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
    from faust.types.auth import CredentialsT
    from faust.types.tuples import ConsumerMessage
finally:
    sys.argv = _arguments

__all__ = [
    "AIOKafkaConsumerThread",
    "Consumer",
    "ConsumerMessage",
    "ConsumerNotStarted",
    "CredentialsT",
    "SASLCredentials",
    "SSLCredentials",
    "Transport",
    "faust",
]
