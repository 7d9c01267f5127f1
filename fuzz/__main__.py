"""The command line: `python -m fuzz [--seconds N] [TARGET …]`, from the root of a checkout.

Each target gets so many seconds. Hypothesis damages the entries of its corpus, and shrinks what breaks a rule. The
status is 1 where a rule was broken; the input that broke it stands in what is printed.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from fuzz.damage import damaged
from fuzz.targets import TARGETS, Target

CORPUS = Path(__file__).parent / "corpus"
_BATCH = 100


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the targets one after another."""
    parser = argparse.ArgumentParser(prog="python -m fuzz")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; by default all")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each target (default: %(default)g)")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32, help="of the first batch; it is printed")
    options = parser.parse_args(argv)
    unknown = set(options.targets) - TARGETS.keys()
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    broken = [name for name in options.targets or TARGETS if not _run(name, options.seconds, options.seed)]
    return 1 if broken else 0


def _run(name: str, seconds: float, first: int) -> bool:
    """Whether every input kept the rules of the target."""
    end, number, inputs = time.monotonic() + seconds, first, 0
    entries = corpus(name)
    while time.monotonic() < end:
        counted: list[bytes] = []
        try:
            _batch(TARGETS[name], entries, number, counted)
        except Exception:
            traceback.print_exc(limit=-3, file=sys.stdout)
            print(f"{name}: a rule was broken; again with --seed {number} {name}")
            return False
        inputs, number = inputs + len(counted), number + 1
    print(f"{name}: {inputs} inputs, seed {first}")
    return True


def _batch(target: Target, entries: Sequence[bytes], number: int, counted: list[bytes]) -> None:
    @seed(number)
    @settings(
        max_examples=_BATCH,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(damaged(entries))
    def one(data: bytes) -> None:
        counted.append(data)
        target(data)

    one()


def corpus(name: str) -> list[bytes]:
    """The entries of a target, which are whole and good inputs."""
    return [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]


if __name__ == "__main__":
    sys.exit(main())
