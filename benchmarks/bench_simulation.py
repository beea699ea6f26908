"""What the tuner's decisions cost when many training jobs run at once.

    python benchmarks/bench_simulation.py [--trials 10000] [--parallel 1000]

Simulates jobs of `trials` training jobs, `parallel` at a time, each with 9 reports: under Random and under
Hyperband with durations that differ, so that hardly two reports come at once, and under Random with all in
step. Reports CPU seconds of the tuner, events, the virtual time from start to end and how busy the slots
were, without and with the tuner's CPU time charged to the virtual clock. Limits, at 10,000 by 1,000: 30 s
with Random, whether or not trials keep step, 60 s with Hyperband.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hpt.executors.simulated import Curve, Curves, metric_definition
from hpt.job.config import HyperbandConfig, JobConfig, Objective, ResourceLimits, TrainingJobDefinition
from hpt.running.runner import TuningJobRunner
from hpt.running.simulation import simulate
from hpt.search import events as ev
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.trial import Config, ObjectiveType

REPORTS = 9
LIMITS = {"Random": 30.0, "Hyperband": 60.0, "Random, in step": 30.0}
SPACE = SearchSpace([ContinuousParameter("x", 0, 1), ContinuousParameter("y", 0, 1)])


def differing(config: Config) -> Curve:
    """Falls towards (x - 0.3)^2 + (y - 0.6)^2; 10 to 15 s a report."""
    x, y = float(config["x"]), float(config["y"])
    floor = (x - 0.3) ** 2 + (y - 0.6) ** 2
    return Curve([floor + 0.5 / (step + 10 * x) for step in range(1, REPORTS + 1)], 10.0 + 5 * y)


def in_step(config: Config) -> Curve:
    """The same values, a report every 10 s."""
    return Curve(differing(config).values, 10.0)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--parallel", type=int, default=1_000)
    options = parser.parse_args()
    share = options.trials * options.parallel / 10_000_000
    print(f"trials {options.trials}, {options.parallel} in parallel, {REPORTS} reports each")
    simulate_first()
    missed = False
    for name, limit in LIMITS.items():
        seconds = run(name, options.trials, options.parallel, charge=False)
        missed |= share >= 1 and seconds > limit
        print(f"{'':17} limit {limit:g} s, ratio {seconds / limit:.2f}")
    run("Random", options.trials, options.parallel, charge=True)
    return 1 if missed else 0


def simulate_first() -> None:
    """Load and compile what the first job of a process would pay for."""
    run("Random", 2, 1, charge=False)


def run(name: str, trials: int, parallel: int, *, charge: bool) -> float:
    """Simulate one job and print a line about it; the CPU seconds of the tuner."""
    strategy = name.partition(",")[0]
    curves: Curves = in_step if name.endswith("in step") else differing
    count = 0

    def observe(runner: TuningJobRunner, events: Sequence[ev.Event]) -> None:
        nonlocal count
        count += len(events)

    config = JobConfig(
        name="simulated",
        strategy=strategy,
        seed=5,
        limits=ResourceLimits(trials, parallel),
        definition=TrainingJobDefinition(
            training_image="train.py",
            space=SPACE,
            objective=Objective("loss", ObjectiveType.MINIMIZE),
            metric_definitions=(metric_definition("loss"),),
        ),
        hyperband=HyperbandConfig(REPORTS) if strategy == "Hyperband" else None,
    )
    simulation = simulate(config, curves, observe=observe, charge=charge)
    assert simulation.state.launched == trials, simulation.state.training_counters
    what = f"{name}, charged" if charge else name
    words = f"{what:17} {simulation.thinking:6.2f} s CPU  {count:7d} events  "
    words += f"makespan {simulation.state.ended:7.1f} s  slots busy {100 * simulation.busy:5.1f} %"
    print(words, flush=True)
    return simulation.thinking


if __name__ == "__main__":
    raise SystemExit(main())
