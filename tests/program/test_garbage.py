"""The garbage collector is set up by a process that serves, and by no other."""

from __future__ import annotations

import gc
import json
import subprocess
import sys

import pytest
from twisted.internet.interfaces import IReactorCore

from clipal.process import garbage
from tests.wirekit.waiting import reactor

PROGRAM = """
import gc, json
from twisted.internet import reactor
from clipal.process.garbage import spare_what_stays
spare_what_stays(reactor)
before = gc.get_freeze_count()
reactor.callWhenRunning(reactor.stop)
reactor.run()
print(json.dumps([before, gc.get_freeze_count() > 1000, gc.get_threshold()[0]]))
"""


def test_what_is_there_when_it_begins_to_serve_is_spared() -> None:
    said = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True, text=True)
    assert json.loads(said.stdout) == [0, True, 10_000]


def test_a_process_that_runs_already_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, "freeze", lambda: pytest.fail("it was set up"))
    garbage.spare_what_stays(IReactorCore(reactor))
