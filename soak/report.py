"""What must hold after a soak, and the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from soak.clients import Got
from soak.providers import Provider

Samples = Sequence[dict[str, float]]
_HELD = ("memory in kB", "descriptors", "timers", "coroutines", "threads")


def judge(got: Got, providers: Sequence[Provider], samples: Samples) -> list[str]:
    """The rules that were broken, in words."""
    broken = list(got.wrong)
    finished = set[str]().union(*(provider.finished for provider in providers))
    for number in sorted(finished):
        if got.results.get(number) != "whole":
            broken.append(f"{number}: a provider finished its answer, and the client got: {got.results.get(number)}")
    for number, result in got.results.items():
        if result == "whole" and number.startswith("r") and number not in finished:
            broken.append(f"{number}: whole at the client, and no provider finished it")
        if result == "empty" and not _only_answer_was_empty(number, providers):
            broken.append(f"{number}: empty at the client, and that was not the answer of the only provider asked")
    for provider in providers:
        for number, times in provider.asked.items():
            if times - provider.closed[number] > 1:
                broken.append(f"{number}: answered {times} times by {provider.name}")
    return broken + [f"not flat: {name}" for name in _HELD if not _flat([each[name] for each in samples])]


def _only_answer_was_empty(number: str, providers: Sequence[Provider]) -> bool:
    """Whether one provider was asked, and answered with nothing: the client gets the answer as it is."""
    asked = [provider for provider in providers if provider.asked[number]]
    return len(asked) == 1 and number in asked[0].empty


def _flat(values: Sequence[float]) -> bool:
    """Whether the last quarter is about what the second one was."""
    quarter = len(values) // 4
    if quarter < 2:
        return True
    return fmean(values[-quarter:]) <= 1.2 * fmean(values[quarter : 2 * quarter]) + 5


def write_report(
    got: Got, providers: Sequence[Provider], samples: Samples, broken: Sequence[str], minutes: float, seed: int
) -> str:
    """The report as Markdown."""
    results = Counter(got.results.values())
    lines = [
        "# Soak",
        "",
        f"{minutes:g} minutes, seed {seed}: {len(got.results)} requests. "
        + (f"**{len(broken)} rules broken.**" if broken else "Every rule held."),
        "",
        *(f"- {each}" for each in broken[:20]),
        "",
        "| asked | times |",
        "|---|---|",
        *(f"| {kind} | {times} |" for kind, times in sorted(got.kinds.items())),
        "",
        "| what the clients got | times |",
        "|---|---|",
        *(f"| {result} | {times} |" for result, times in results.most_common()),
        "",
        "| provider | asked | finished | broke off behind its beginning | closed without an answer |",
        "|---|---|---|---|---|",
        *(
            f"| {each.name} | {each.asked.total()} | {len(each.finished)} | {len(each.broke)} | {each.closed.total()} |"
            for each in providers
        ),
        "",
        "| held | second quarter | last quarter | most | at the end, idle |",
        "|---|---|---|---|---|",
    ]
    quarter = max(1, len(samples) // 4)
    for name in _HELD:
        values = [each[name] for each in samples]
        middle, last = fmean(values[quarter : 2 * quarter] or values), fmean(values[-quarter:])
        lines.append(f"| {name} | {middle:.0f} | {last:.0f} | {max(values):.0f} | {values[-1]:.0f} |")
    return "\n".join(lines) + "\n"


def plot(samples: Samples, path: Path) -> None:
    """What clipal held, over time."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(_HELD), 1, sharex=True, figsize=(8, 9))
    times = [(each["time"] - samples[0]["time"]) / 60 for each in samples]
    for name, axis in zip(_HELD, axes, strict=True):
        axis.plot(times, [each[name] for each in samples])
        axis.set_ylabel(name)
        axis.set_ylim(bottom=0)
    axes[-1].set_xlabel("minutes")
    figure.savefig(path)
