"""Draws what a tuning job came to: docs/images/result.png, which the README shows.

    python docs/images/make_result.py                       # runs examples/breast_cancer, then draws it
    python docs/images/make_result.py --trials trials.json  # draws what `hpt trials NAME --json` printed

Needs matplotlib. `--hpt` names the command, for an interpreter that has matplotlib but not hpt.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullLocator

HERE = Path(__file__).resolve().parent
JOB = HERE.parents[1] / "examples" / "breast_cancer" / "job.json"
PARAMETERS = ("eta", "min_child_weight")
BLUE, GREY = "#1f5fa8", "#9a9a9a"

TrainingJob = dict[str, Any]


def run(hpt: str) -> list[TrainingJob]:
    """The training jobs of a new run of the example, in a state directory of its own."""
    with tempfile.TemporaryDirectory() as state:
        subprocess.run([hpt, "tune", JOB, "--quiet", "--state", state], check=True, stdout=subprocess.DEVNULL)
        words = [hpt, "trials", "breast-cancer", "--json", "--state", state]
        listed: list[TrainingJob] = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
    return listed


def objective(job: TrainingJob) -> float:
    return float(job["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])


def over_time(ax: Axes, jobs: list[TrainingJob], metric: str) -> None:
    """Each training job from its start to its end, at its final objective, and the best so far."""
    first = min(job["CreationTime"] for job in jobs)
    ended = sorted(jobs, key=lambda job: job["TrainingEndTime"])
    ends = [job["TrainingEndTime"] - first for job in ended]
    starts = [job["TrainingStartTime"] - first for job in ended]
    values = [objective(job) for job in ended]
    ax.hlines(values, starts, ends, color=GREY, linewidth=1.2)
    ax.plot(ends, values, "o", color=GREY, markersize=4, label="training job")
    best = [min(values[: i + 1]) for i in range(len(values))]
    ax.step(ends, best, where="post", color=BLUE, linewidth=2, label="best so far")
    ax.set_yscale("log")
    ax.set_xlabel("seconds")
    ax.set_ylabel(metric)
    ax.legend(frameon=False)


def over_parameter(ax: Axes, jobs: list[TrainingJob], name: str) -> None:
    """Final objective against one hyperparameter; later training jobs are darker."""
    ordered = sorted(jobs, key=lambda job: job["TrainingJobName"])
    places = [float(job["TunedHyperParameters"][name]) for job in ordered]
    order = range(1, len(ordered) + 1)
    values = [objective(job) for job in ordered]
    ax.scatter(
        places, values, c=order, cmap="Blues", vmin=-len(ordered) / 3, s=24, edgecolors=BLUE, linewidths=0.4
    )
    if min(places) > 0 and max(places) / min(places) > 20:
        ax.set_xscale("log")
        log_ticks(ax.xaxis, (1, 2, 5))
    ax.set_yscale("log")
    ax.set_xlabel(name)


def log_ticks(axis: Axis, digits: tuple[float, ...]) -> None:
    """Plain numbers on a logarithmic axis, these digits of each decade."""
    axis.set_major_locator(LogLocator(subs=digits))
    axis.set_major_formatter(FormatStrFormatter("%g"))
    axis.set_minor_locator(NullLocator())


def draw(jobs: list[TrainingJob], path: Path) -> None:
    usable = [job for job in jobs if job["ObjectiveStatus"] == "Succeeded"]
    metric = usable[0]["FinalHyperParameterTuningJobObjectiveMetric"]["MetricName"]
    widths = {"width_ratios": [2, 1, 1]}
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.1), dpi=100, sharey=True, gridspec_kw=widths)
    over_time(axes[0], usable, metric)
    for ax, name in zip(axes[1:], PARAMETERS, strict=True):
        over_parameter(ax, usable, name)
    log_ticks(axes[0].yaxis, (1, 1.5, 2, 3, 5, 7))
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=Path, metavar="FILE", help="what `hpt trials NAME --json` printed")
    parser.add_argument("--hpt", default="hpt", metavar="COMMAND", help="the hpt command (default: hpt)")
    parser.add_argument("--to", type=Path, default=HERE / "result.png", metavar="FILE", help="the picture")
    options = parser.parse_args()
    jobs = run(options.hpt) if options.trials is None else json.loads(options.trials.read_text())
    draw(jobs, options.to)
    print(f"{options.to}: {len(jobs)} training jobs, {options.to.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
