"""`make mutate`: makes a sample of small changes, one at a time, and reports the share that a test notices.

The tests run without a change first: they must pass, and the quickest ones are asked first. A change that no test
notices is a gap, or changes nothing: then `mutation/explained.txt` says why.
"""

from __future__ import annotations

import argparse
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

from mutation.explained import EXPLAINED, explanation_of, read, stale
from mutation.sites import Site, sites
from mutation.suites import files
from mutation.trial import Run, copied, noticed, run, suites

ROOT = Path(__file__).parent.parent
_LIMIT = 300.0
"""Seconds for one file of tests without a change."""


def main() -> int:
    """Runs it.

    Returns:
        the exit status: 1 where fewer changes are noticed than are asked for, or an explanation is of no change.
    """
    options = _options()
    explanations = read(EXPLAINED.read_text())
    every = [site for file in files(ROOT) for site in sites(ROOT, file)]
    unfit = stale(explanations, every)
    for each in unfit:
        print(f"explained, but no longer there: {each.pattern}")
    eligible = [site for site in every if any(text in str(site) for text in options.only or [""])]
    sample = random.Random(options.seed).sample(eligible, min(options.count, len(eligible)))
    print(f"{len(sample)} of {len(eligible)} changes, seed {options.seed}", flush=True)
    if not sample:
        return 1
    survivors: list[Site] = []
    with TemporaryDirectory(prefix="clipal-mutation-") as directory, ThreadPoolExecutor(options.jobs) as pool:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(options.jobs):
            copies.put(copied(ROOT, Path(directory) / str(number)))
        unchanged = _unchanged(copies, pool, suites(sample))
        if unchanged is None:
            return 1

        def tried(site: Site) -> str | None:
            copy = copies.get()
            try:
                return noticed(copy, site, unchanged)
            finally:
                copies.put(copy)

        for site, by in zip(sample, pool.map(tried, sample), strict=True):
            if by is not None:
                print(f"noticed   {site}\n          by {by}", flush=True)
            elif explanation_of(site, explanations):
                print(f"explained {site}", flush=True)
            else:
                print(f"SURVIVED  {site}", flush=True)
                survivors.append(site)
    share = 100 * (len(sample) - len(survivors)) / len(sample)
    print(f"\n{share:.1f} of 100 noticed or explained; {len(survivors)} survived")
    return int(share < options.least or bool(unfit))


def _unchanged(copies: SimpleQueue[Path], pool: ThreadPoolExecutor, tests: list[str]) -> dict[str, float] | None:
    """The seconds that each file of tests takes without a change; None where one fails."""

    def once(test: str) -> Run:
        copy = copies.get()
        try:
            return run(copy, [test], _LIMIT)
        finally:
            copies.put(copy)

    runs = dict(zip(tests, pool.map(once, tests), strict=True))
    failed = [each.failed for each in runs.values() if each.failed]
    for each in failed:
        print(f"fails without a change: {each}")
    return None if failed else {test: each.seconds for test, each in runs.items()}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mutation", description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="how many changes (100)")
    parser.add_argument("--seed", type=int, default=1, help="which sample of them (1)")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (2)")
    parser.add_argument("--least", type=float, default=95.0, help="of 100 that must be noticed or explained (95)")
    parser.add_argument("--only", action="append", help="only changes whose line in the report has one of these texts")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
