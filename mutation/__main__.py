"""`make mutate`: makes a sample of small changes, one at a time, and reports the share that a test notices.

A change that no test notices is a gap, or changes nothing: then `mutation/explained.txt` says why.
"""

from __future__ import annotations

import argparse
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path

from mutation.sites import Site, sites
from mutation.suites import files
from mutation.trial import fails, noticed

ROOT = Path(__file__).parent.parent
EXPLAINED = Path(__file__).with_name("explained.txt")


def main() -> int:
    """Runs it.

    Returns:
        the exit status: 1 where fewer changes are noticed than are asked for.
    """
    options = _options()
    explained = explained_patterns(EXPLAINED.read_text())
    every = [site for file in files(ROOT) for site in sites(ROOT, file) if options.only in str(site)]
    stale = [] if options.only else stale_patterns(explained, every)
    for name in stale:
        print(f"explained, but no longer there: {name}")
    sample = random.Random(options.seed).sample(every, min(options.count, len(every)))
    print(f"{len(sample)} of {len(every)} changes, seed {options.seed}", flush=True)
    if not sample:
        return 1
    if fails(ROOT, "tests/pure/test_gate.py"):
        print("the tests fail without any change")
        return 1
    survivors: list[Site] = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for site, found in zip(sample, pool.map(lambda each: noticed(ROOT, each), sample), strict=True):
            word = "noticed" if found else "explained" if is_explained(site, explained) else "SURVIVED"
            print(f"{word:9} {site}", flush=True)
            if word == "SURVIVED":
                survivors.append(site)
    share = 100 * (len(sample) - len(survivors)) / len(sample)
    print(f"\n{share:.1f} of 100 noticed or explained; {len(survivors)} survived")
    return int(share < options.least or bool(stale))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mutation", description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="how many changes (100)")
    parser.add_argument("--seed", type=int, default=1, help="which sample of them (1)")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (2)")
    parser.add_argument("--least", type=float, default=95.0, help="of 100 that must be noticed or explained (95)")
    parser.add_argument("--only", default="", help="only changes whose line in the report has this text")
    return parser.parse_args()


def explained_patterns(text: str) -> list[str]:
    """The changes that need not be noticed, with `*` for any text: each line that is no reason, which is indented."""
    return [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]


def is_explained(site: Site, explained: list[str]) -> bool:
    """Whether one of these is the change."""
    return any(fnmatchcase(site.name, each.replace("[", "[[]")) for each in explained)


def stale_patterns(explained: list[str], every: list[Site]) -> list[str]:
    """Those that are no change any more."""
    return [each for each in explained if not any(is_explained(site, [each]) for site in every)]


if __name__ == "__main__":
    sys.exit(main())
