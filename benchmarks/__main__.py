"""The command line: `python -m benchmarks`, from the root of a checkout, with the extra `bench` installed.

Each round measures every item with every contestant in turn. What cannot be measured is named in the report and does
not end the run. The exit status is 0 whatever the figures are.
"""

from __future__ import annotations

import argparse
import gc
import math
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.contestants import CONTESTANTS, OWN, Peer, command_of
from benchmarks.item import Item
from benchmarks.items import ITEMS
from benchmarks.measure import machine
from benchmarks.processes import Cores, Unavailable, end_on_sigterm, on_cores
from benchmarks.proxies import Site
from benchmarks.report import markdown
from benchmarks.results import Results
from benchmarks.tally import Broken

FULL = {"rounds": 3, "budget": 470.0, "seconds": 1.0, "turn": 3.0, "warm_up": 0.2, "probes": 30, "starts": 3}
QUICK = {"rounds": 1, "budget": 75.0, "seconds": 0.5, "turn": 1.5, "warm_up": 0.2, "probes": 10, "starts": 2}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark and writes its report."""
    options = _options().parse_args(argv)
    items = _items(options.items)
    length = QUICK if options.quick else FULL
    end_on_sigterm()
    _allow_many_files()
    gc.disable()  # in this process too, because it makes the load
    begun = time.monotonic()
    with ExitStack() as ending:
        bench = _bench(ending, length, options.clipal, options.peer)
        names = [*options.only, *(peer.name for peer in options.peer)]
        budget = math.inf if options.rounds else length["budget"]
        results = measure(bench, items, names, options.rounds or int(length["rounds"]), budget)
    taken = time.monotonic() - begun
    windows = f"windows of {length['seconds']:g} s ({length['turn']:g} s for turns)"
    setting = f"Rounds: {results.rounds}, with {windows}; {taken:.0f} s in all."
    _write(results, items, setting, options.report, options.plot)
    return 0


def measure(bench: Bench, items: Sequence[Item], names: Sequence[str], rounds: int, budget: float) -> Results:
    """Runs all items in turn, for as many rounds as fit.

    Parameters:
        budget: seconds for all rounds; a round begins only if one like the last would end within them.
    """
    results = Results()
    begun = time.monotonic()
    for number in range(rounds):
        before = time.monotonic()
        for item in items:
            if number % item.every == 0:
                _measure_item(bench, item, _contestants(bench, item, names), number, results)
        results.rounds += 1
        now = time.monotonic()
        if now - begun + (now - before) > budget:
            break
    return results


def _contestants(bench: Bench, item: Item, names: Sequence[str]) -> list[str]:
    """Who takes part in an item, of those that are asked for."""
    peers = [peer.name for peer in bench.site.peers] if item.peers else []
    return [name for name in (*item.contestants, *peers) if name in names]


def _measure_item(bench: Bench, item: Item, names: Sequence[str], number: int, results: Results) -> None:
    """Measures each contestant once; another one comes first in each round."""
    turn = number % len(names) if names else 0
    for name in (*names[turn:], *names[:turn]):
        print(f"round {number + 1}, item {item.key}: {name}", file=sys.stderr, flush=True)
        try:
            results.add(item, name, number, item.run(bench, name))
        except (Unavailable, Broken, OSError) as error:
            results.problems.append(f"item {item.key}, {name}, round {number + 1}: {error}")
        gc.collect()


def _bench(ending: ExitStack, length: dict[str, float], clipal: str | None, peers: Sequence[Peer]) -> Bench:
    """The bench; `ending` stops its processes and removes its files."""
    directory = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="clipal-bench-")))
    command = OWN if clipal is None else command_of(clipal)
    site = Site(directory, Cores.available(), command, peers)
    upstream = site.start_upstream()
    ending.callback(upstream.running.stop)
    ending.enter_context(on_cores(site.cores.load))
    return Bench(
        site,
        upstream,
        ending,
        seconds=length["seconds"],
        turn_seconds=length["turn"],
        warm_up=length["warm_up"],
        probes=int(length["probes"]),
        starts=int(length["starts"]),
    )


def _write(results: Results, items: Sequence[Item], setting: str, report: Path | None, plot: Path | None) -> None:
    text = markdown(results, items, machine(), setting, plot.name if plot else None)
    if report is None:
        print(text)
    else:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(text)
    if plot is not None:
        from benchmarks.plot import draw  # matplotlib is slow to import, and not needed for the report

        plot.parent.mkdir(parents=True, exist_ok=True)
        draw(results, items, plot)


def _allow_many_files() -> None:
    """Raises the limit of open files: a proxy has two sockets for each stream, and children inherit the limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _items(keys: str | None) -> list[Item]:
    chosen = None if keys is None else keys.split(",")
    unknown = set(chosen or ()) - {item.key for item in ITEMS}
    if unknown:
        raise SystemExit(f"there is no item {', '.join(sorted(unknown))}")
    return [item for item in ITEMS if chosen is None or item.key in chosen]


def _names(text: str) -> list[str]:
    names = text.split(",")
    if not set(names) <= set(CONTESTANTS):
        raise argparse.ArgumentTypeError(f"choose from {', '.join(CONTESTANTS)}")
    return names


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures clipal against nginx.")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that everything runs")
    parser.add_argument("--items", help="only these, for example 1,3tls; else all")
    parser.add_argument("--only", type=_names, default=list(CONTESTANTS), help=f"of {', '.join(CONTESTANTS)}")
    parser.add_argument("--rounds", type=int, help="so many, however long they take")
    parser.add_argument("--report", type=Path, help="a file for the report, in Markdown; else standard output")
    parser.add_argument("--plot", type=Path, help="a file for the plot, in SVG")
    parser.add_argument("--clipal", help="the command that is clipal, of another checkout or interpreter")
    parser.add_argument(
        "--peer",
        type=Peer.of,
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="one more proxy; {port}, {upstream}, {config_dir} and {authority} in its command are filled in",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
