"""A table out of the reports of a load test of several servers: what their words were worth, and what they cost.

usage: live.py NAME=FOLDER ...
"""

import json
import pathlib
import sys

COLUMNS = ("server", "feeds", "words wrong", "first seen p50 / p95", "final p50 / p95", "never shown", "never final", "cores", "memory")


def main(*named: str) -> None:
    rows = [COLUMNS, tuple("---" for _ in COLUMNS), *(row(*each.split("=", 1)) for each in named)]
    for cells in rows:
        print("| " + " | ".join(cells) + " |")


def row(name: str, folder: str) -> tuple[str, ...]:
    report = json.loads((pathlib.Path(folder) / "report.json").read_text())
    figures = {figure["name"]: figure for figure in report["figures"]}
    seen, final = figures["word.first_seen"], figures["word.final"]
    cores, memory = cost(report["resources"])
    wrong = f"{report['words']['error_rate']:.1%}"
    return (name, str(report["n_feeds"]), wrong, delay(seen), delay(final), never(seen), never(final), cores, memory)


def delay(figure: dict) -> str:
    percentiles = figure["latency"]["percentiles"]
    # What never came counts as infinitely late.
    return " / ".join("never" if percentiles[p] is None else f"{percentiles[p] / 1000:.1f} s" for p in ("p50", "p95"))


def never(figure: dict) -> str:
    return f"{figure['counts']['missing'] / max(1, figure['counts']['expected']):.1%}"


def cost(resources: list[dict]) -> tuple[str, str]:
    if len(resources) < 2:
        return "?", "?"
    first, last = resources[0], resources[-1]
    cores = (last["cpu_s"] - first["cpu_s"]) / (last["at_s"] - first["at_s"])
    return f"{cores:.2f}", f"{max(each['memory_bytes'] for each in resources) / 2**20:.0f} MiB"


main(*sys.argv[1:])
