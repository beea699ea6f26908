"""Draws the pictures of benchmarks/README.md from the tables of docs/research/search.md.

    python benchmarks/plots.py [--to DIRECTORY]

Needs matplotlib. Nothing is measured here: where a figure changes in the lab book, run this again.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

HERE = Path(__file__).resolve().parent
LAB_BOOK = HERE.parent / "docs" / "research" / "search.md"
OURS, OTHERS = "#1f5fa8", ("#c8743c", "#5d9c59", "#8a6bb1", "#9a9a9a")
PAIRS = ("#c9c9c9", "#8fb3dc", "#8f8f8f", OURS)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")

Table = list[dict[str, str]]


def table(heading: str, place: int = 0) -> Table:
    """The rows of the table number `place` below a heading, as maps of column names to cells.

    An empty first cell repeats the one above.
    """
    text = LAB_BOOK.read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    blocks = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)
    lines = [
        [cell.strip() for cell in line.strip().strip("|").split("|")] for line in blocks[place].splitlines()
    ]
    header, above, rows = _distinct(lines[0]), "", []
    for cells in lines[2:]:
        above = cells[0] or above
        rows.append(dict(zip(header, [above, *cells[1:]], strict=True)))
    return rows


def _distinct(names: list[str]) -> list[str]:
    """Column names, a repeated one with its place: `difference`, `difference 5`."""
    return [name if names.index(name) == i else f"{name} {i}" for i, name in enumerate(names)]


def number(cell: str) -> float:
    """The first number in a cell."""
    found = NUMBER.search(cell)
    assert found is not None, f"no number in {cell!r}"
    return float(found[0])


def metrics(ax: Axes) -> None:
    rows = [row for row in table("Metrics out of logs") if row["patterns"] == "4"]
    labels = [row["lines that match"] for row in rows]
    series = {
        "hpt": "hpt",
        "re, by line": "`re`, by line",
        "re2": "re2",
        "hyperscan and captures": "hyperscan and captures",
    }
    bars(
        ax,
        labels,
        {name: [number(row[column]) for row in rows] for name, column in series.items()},
    )
    ax.set_yscale("log")
    ax.set_ylabel("GB/s of one core's CPU")
    ax.set_xlabel("lines that match, 4 patterns")


def ask(ax: Axes) -> None:
    rows = table("What a suggestion costs")
    labels = [f"{row['space'].removesuffix(' continuous')}\n{row['n']}" for row in rows]
    columns = {"hpt": "hpt, mean", "TPE": "TPE", "Optuna GP": "Optuna GP"}
    bars(ax, labels, {name: [number(row[column]) for row in rows] for name, column in columns.items()})
    ax.set_yscale("log")
    ax.set_ylabel("CPU ms of ask + tell")
    ax.set_xlabel("parameters (10 continuous or mixed), observations")


def regret(ax: Axes) -> None:
    rows = table("Search quality", 1)
    at = [int(row["trials"]) for row in rows]
    for name, colour in zip(("hpt", "Optuna GP", "TPE", "HEBO"), (OURS, *OTHERS), strict=False):
        points = [(x, number(row[name])) for x, row in zip(at, rows, strict=True) if row[name]]
        ax.plot(*zip(*points, strict=True), "o-", color=colour, label=name)
    ax.set_xticks(at)
    ax.set_yscale("log")
    ax.set_xlabel("trials")
    ax.set_ylabel("mean normalised regret, 28 tasks")
    ax.legend(frameon=False, fontsize=8)


def gain(ax: Axes) -> None:
    rows = table("Search quality")
    for i, row in enumerate(rows):
        middle, low, high = (float(value) for value in NUMBER.findall(row["gain"]))
        ax.errorbar(middle, i, xerr=[[middle - low], [high - middle]], fmt="o", color=OURS, capsize=3)
    ax.set_yticks(range(len(rows)), [row["objective"].strip("`") for row in rows])
    ax.invert_yaxis()
    ax.axvline(0, color="#999999", linewidth=0.8)
    ax.set_xlabel("gain over random search, in its standard deviations")


def stopping(ax: Axes) -> None:
    rows = table("Stopping early")
    columns = ("regret @10", "@15", "@25")
    for row, colour in zip(rows, (OTHERS[3], *OTHERS[:2], OURS), strict=True):
        values = [number(row[column]) for column in columns]
        ax.plot((10, 15, 25), values, "o-", color=colour, label=row["search"])
    ax.set_ylim(0, 0.5)
    ax.set_xlabel("cost, in full trainings")
    ax.set_ylabel("regret, 5 tasks")
    ax.legend(frameon=False, fontsize=7, ncols=2, loc="upper center")


def warm_start(ax: Axes) -> None:
    rows = table("Warm start")
    labels = [row["parent"].replace(", ", ",\n").replace("the contrary", "the\ncontrary") for row in rows]
    columns = ("cold @15", "warm @15", "cold @30", "warm @30")
    bars(ax, labels, {name: [number(row[name]) for row in rows] for name in columns}, PAIRS)
    ax.set_ylim(0, 0.36)
    ax.set_ylabel("mean regret, 12 pairs of tasks")
    ax.legend(frameon=False, fontsize=8, ncols=2, loc="upper center")


def failures(ax: Axes) -> None:
    rows = table("Failures")
    labels = [row["fails"].replace(" near the best", "").replace(" where ", " ") for row in rows]
    places = range(len(rows))
    ax.barh(
        [y - 0.2 for y in places],
        [number(row["failures without"]) for row in rows],
        0.4,
        color=OTHERS[3],
        label="without",
    )
    ax.barh(
        [y + 0.2 for y in places],
        [number(row["with"]) for row in rows],
        0.4,
        color=OURS,
        label="with the model of success",
    )
    ax.set_yticks(places, labels, fontsize=7)
    ax.invert_yaxis()
    ax.set_xlabel("failures in 40 trials")
    ax.legend(frameon=False, fontsize=8)


def algorithms(ax: Axes) -> None:
    rows = table("Several algorithms")
    names = ("together", "LightGBM alone", "XGBoost alone", "linear alone")
    for name, colour in zip(names, (OURS, *OTHERS), strict=False):
        points = [(int(row["seed"]), number(row[name])) for row in rows if row[name]]
        ax.plot(*zip(*points, strict=True), "o", color=colour, label=name)
    ax.set_xticks([int(row["seed"]) for row in rows])
    ax.set_xlabel("seed")
    ax.set_ylabel("best validation AUC")
    ax.legend(frameon=False, fontsize=8)


def bars(
    ax: Axes, labels: list[str], series: dict[str, list[float]], colours: Sequence[str] = (OURS, *OTHERS)
) -> None:
    """Groups of bars, ours first."""
    width = 0.8 / len(series)
    for i, (name, values) in enumerate(series.items()):
        places = [place + (i - (len(series) - 1) / 2) * width for place in range(len(labels))]
        ax.bar(places, values, width, label=name, color=colours[i])
    ax.set_xticks(range(len(labels)), labels)
    ax.legend(frameon=False, fontsize=8)


PICTURES: dict[str, Callable[[Axes], None]] = {
    "metrics": metrics,
    "ask": ask,
    "regret": regret,
    "gain": gain,
    "stopping": stopping,
    "warm_start": warm_start,
    "failures": failures,
    "algorithms": algorithms,
}


def draw(name: str, directory: Path) -> Path:
    """One picture; returns where it is."""
    figure: Figure
    figure, ax = plt.subplots(figsize=(5.2, 2.9), dpi=110)
    PICTURES[name](ax)
    ax.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    path = directory / f"{name}.png"
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--to", type=Path, default=HERE / "images", metavar="DIRECTORY", help="where the pictures go"
    )
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    for name in PICTURES:
        path = draw(name, options.to)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
