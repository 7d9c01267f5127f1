"""The wall clock may jump; deadlines and rests do not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys, time
from clipal.tap import Options, makeService
options = Options()
options.parseOptions(["--config-dir", sys.argv[1], "--port", "0"])
service = makeService(options)
from twisted.internet import reactor
late = reactor.callLater(1000, lambda: None)
print(abs(reactor.seconds() - time.monotonic()) < 60, abs(late.getTime() - time.monotonic() - 1000) < 60)
"""


def test_the_reactor_of_a_service_measures_by_the_monotonic_clock(tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True", "True"]
