"""What the load and the provider agree upon: how an answer is asked for, how long it is, and how an event is stamped.

Both sides of the benchmark know the bytes of both, so that neither has to parse them. A request names the answer that
it wants in a header field, which proxies pass on. An event carries the moment at which it was written, on the monotonic
clock that all processes of a machine share.
"""

from __future__ import annotations

import re
import time
from typing import Final

JSON: Final = b"json"
"""An answer of `ANSWER_LENGTH` bytes."""
BRIEF: Final = b"brief"
"""A stream that comes whole at once."""
FAST: Final = b"fast"
"""A stream without end, as fast as it goes."""
PACED: Final = b"paced-"
"""A stream without end; a number of events a second follows."""
BLOCKS: Final = b"blocks-"
"""A stream without end; a number of blocks of `BLOCK_EVENTS` events a second follows."""
TURN: Final = b"turn-"
"""The answer to an agent's turn: the number of its events follows, at least two. The first comes with the head."""

MEGABYTE: Final = 1_000_000
ANSWER_LENGTH: Final = 1024
EVENT_LENGTH: Final = 100
BLOCK_EVENTS: Final = 160
TURN_EVENT_LENGTH: Final = 180
TURN_EVENTS: Final = 150
TURN_INTERVAL: Final = 0.02

WANTED: Final = re.compile(rb"\r\nx-benchmark: ([a-z0-9-]+)\r\n", re.IGNORECASE)
LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
STAMP: Final = re.compile(rb'"text":"(\d{15})')
LAST_CHUNK: Final = b"0\r\n\r\n"


def microseconds() -> int:
    """Now, on the clock of the stamps."""
    return time.monotonic_ns() // 1000
