"""`make mutate`: makes a sample of small changes, one at a time, and reports the share that a test notices.

A change that no test notices is a gap, or changes nothing: then `mutation/explained.txt` says why. At the end, the
tests that have noticed something run once without a change, and must pass.
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
from mutation.trial import copied, first_failure, noticed

ROOT = Path(__file__).parent.parent


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
    with TemporaryDirectory(prefix="clipal-mutation-") as directory:
        found = _tried(sample, [copied(ROOT, Path(directory) / str(number)) for number in range(options.jobs)])
        survivors = [site for site, by in found if by is None and explanation_of(site, explanations) is None]
        share = 100 * (len(sample) - len(survivors)) / len(sample)
        print(f"\n{share:.1f} of 100 noticed or explained; {len(survivors)} survived", flush=True)
        broken = first_failure(
            Path(directory) / "0", sorted({by.partition("[")[0] for _, by in found if by and "::" in by})
        )
    if broken is not None:
        print(f"fails without a change as well: {broken}")
    return int(share < options.least or bool(unfit) or broken is not None)


def _tried(sample: list[Site], copies: list[Path]) -> list[tuple[Site, str | None]]:
    """Tries each change in one of the copies. Returns each with the test that noticed it."""
    free: SimpleQueue[Path] = SimpleQueue()
    for each in copies:
        free.put(each)

    def tried(site: Site) -> str | None:
        copy = free.get()
        try:
            return noticed(copy, site)
        finally:
            free.put(copy)

    found = []
    explanations = read(EXPLAINED.read_text())
    with ThreadPoolExecutor(len(copies)) as pool:
        for site, by in zip(sample, pool.map(tried, sample), strict=True):
            found.append((site, by))
            if by is not None:
                print(f"noticed   {site}\n          by {by}", flush=True)
            else:
                print(f"{'explained' if explanation_of(site, explanations) else 'SURVIVED '} {site}", flush=True)
    return found


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
