"""clipal as `python -m clipal` runs it, with a thread beside it that writes down what it holds.

`python -m soak.observed FILE [clipal's options]`: a line of JSON every two seconds.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
from types import CoroutineType
from typing import Any, TextIO

from clipal.__main__ import main


def watch(file: TextIO) -> None:
    """Asks the reactor for a sample, again and again."""
    while True:
        time.sleep(2)
        reactor: Any = sys.modules.get("twisted.internet.reactor")
        if reactor is not None:
            reactor.callFromThread(sample, reactor, file)


def sample(reactor: Any, file: TextIO) -> None:
    """In the reactor's thread."""
    with open("/proc/self/status", encoding="ascii") as status:
        resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    found = {
        "time": time.time(),
        "memory in kB": resident,
        "descriptors": len(os.listdir("/proc/self/fd")),
        "timers": len(reactor.getDelayedCalls()),
        "coroutines": sum(isinstance(each, CoroutineType) for each in gc.get_objects()),
        "threads": threading.active_count(),
    }
    file.write(json.dumps(found) + "\n")
    file.flush()


if __name__ == "__main__":
    output = open(sys.argv.pop(1), "w", encoding="ascii")  # noqa: SIM115  # as long as the process
    threading.Thread(target=watch, args=(output,), daemon=True).start()
    main()
