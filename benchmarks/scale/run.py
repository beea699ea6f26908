"""A fleet of a thousand machines, simulated: how busy its slots are, and what the tuner itself takes.

    python benchmarks/scale/run.py [--trials 10000] [--parallel 1000] [--seconds 60] [--strategies Random ...]

Real decisions, on a virtual clock that also runs while the tuner thinks, by the CPU time that it takes.
`busy` is the share of the slots' time in which programs train, from the first launch to the last end, and
`steady` the same from the moment all slots have begun to train to the last launch: the rest is the tail, in
which slots have nothing left to run. The CPU time is split into choosing configurations (ask), recording
(store), the simulated machines (fleet), and the rest: reading reports and judging them. Memory is the
resident set at each quarter of the trials. With `--spot`, machines boot for two minutes, launch at the rate
that EC2 gives, and are taken away.

The exit code is 1 if fewer than 90 % of the slots are busy in the steady part.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from threading import local
from typing import Any

from hpt.executors.simulated import Curve, SimulatedExecutor
from hpt.executors.simulated_fleet import Fleet, Pool
from hpt.job.config import JobConfig, Objective, ResourceLimits, TrainingJobDefinition
from hpt.running import asking
from hpt.running.runner import TuningJobRunner
from hpt.running.simulation import Simulation, simulate
from hpt.search import events as ev
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.trial import Config, ObjectiveType
from hpt.storage.memory import MemoryStorage

GOAL = 0.9
PARTS: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
    ("ask", asking, ("proposals",)),  # in a thread of its own
    ("store", MemoryStorage, ("append",)),
    ("fleet", SimulatedExecutor, ("poll", "submit", "stop", "sleep")),
)
SPOT = Fleet(
    pools=[
        *(Pool(f"spot-{zone}", 300, 1, 0.03, 0.5) for zone in "abc"),
        Pool("on-demand", 1000, 1, 0.1),
    ],
    boot=120.0,
)
"""900 Spot machines, each taken away every two hours on average, with on-demand ones for what is missing."""


class Parts:
    """CPU seconds by part; what a part calls of another counts there alone, in each thread."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._threads = local()
        self._originals: list[tuple[Any, str, Any]] = []

    def __enter__(self) -> Parts:
        for part, kind, names in PARTS:
            for name in names:
                original = getattr(kind, name)
                self._originals.append((kind, name, original))
                setattr(kind, name, self._timed(part, original))
        return self

    def __exit__(self, *_: object) -> None:
        for kind, name, original in self._originals:
            setattr(kind, name, original)

    def _timed(self, part: str, original: Any) -> Any:
        def call(*arguments: Any, **more: Any) -> Any:
            began = time.thread_time()
            within: list[float] = self._threads.__dict__.setdefault("within", [])
            within.append(0.0)
            try:
                return original(*arguments, **more)
            finally:
                spent = time.thread_time() - began
                self.seconds[part] += spent - within.pop()
                if within:
                    within[-1] += spent

        return call


def steady(simulation: Simulation, parallel: int) -> float:
    """How busy the slots are between the moment all have begun to train and the last launch."""
    launches = [event.time for event in simulation.events if isinstance(event, ev.AttemptCreated)]
    starts = sorted(
        step.start
        for trial in simulation.view.trials
        for step in trial.transitions
        if step.secondary == "Training"
    )
    if len(starts) <= parallel or launches[-1] <= starts[parallel - 1]:
        return 0.0
    began, ended = starts[parallel - 1], launches[-1]
    used = 0.0
    for trial in simulation.view.trials:
        since = None
        for step in trial.transitions:
            if step.secondary == "Training" and since is None:
                since = step.start
            elif since is not None and step.secondary not in ("Stopping", "Uploading"):
                used += max(0.0, min(step.start, ended) - max(since, began))
                since = None
    return used / ((ended - began) * parallel)


def run(strategy: str, options: argparse.Namespace) -> float:
    """Simulate one job and print what it took; how busy the steady part was."""
    space = SearchSpace([ContinuousParameter(f"x{i}", 0, 1) for i in range(options.dimensions)])

    def curve(config: Config) -> Curve:
        """A falling loss; the seconds of a trial spread by 20 % around those asked for."""
        floor = sum((float(value) - 0.3) ** 2 for value in config.values())
        duration = options.seconds * (0.8 + 0.4 * float(config["x0"])) / options.reports
        return Curve([floor + 1 / step for step in range(1, options.reports + 1)], duration)

    definition = TrainingJobDefinition(
        "/bin/train",
        space,
        Objective("loss", ObjectiveType.MINIMIZE),
        spot=options.spot,
        checkpoint_uri="/checkpoints",
    )
    config = JobConfig(
        "scale", strategy, definition, ResourceLimits(options.trials, options.parallel), seed=options.seed
    )
    memory: list[float] = []

    def observe(runner: TuningJobRunner, events: Sequence[ev.Event]) -> None:
        ended = runner.state.launched - len(runner.state.running)
        while len(memory) < 4 and ended >= (len(memory) + 1) * options.trials // 4:
            memory.append(_resident())

    fleet = SPOT if options.spot else None
    with Parts() as parts:
        simulation = simulate(config, curve, fleet=fleet, observe=observe, charge=True)
    virtual = simulation.view.ended or 0.0
    share = steady(simulation, options.parallel)
    split = ", ".join(f"{name} {parts.seconds[name]:.1f}" for name, _, _ in PARTS)
    rest = simulation.thinking - sum(parts.seconds.values())
    thinking, state = simulation.thinking, simulation.state
    quarters = " ".join(f"{each:.0f}" for each in memory)
    print(f"{strategy}: {state.launched} trials, {options.parallel} at a time, {options.seconds:g} s each")
    print(
        f"  busy {simulation.busy:.1%} of all, {share:.1%} in the steady part; virtual time {virtual:.0f} s"
    )
    print(
        f"  CPU {thinking:.1f} s, {1e3 * thinking / options.trials:.2f} ms a trial: {split}, rest {rest:.1f}"
    )
    print(f"  {len(simulation.events)} events; memory {quarters} MB at each quarter")
    if (machines := simulation.machines) is not None:
        print(
            f"  {machines.launched} machines launched, {machines.lost} taken away, "
            f"{machines.seconds / 3600:.0f} machine-hours, {machines.cost:.2f} dollars"
        )
    return share


def _resident() -> float:
    """Megabytes of this process."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 2**20
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--parallel", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="of a trial, 60 by default")
    parser.add_argument("--reports", type=int, default=9)
    parser.add_argument("--dimensions", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--strategies", nargs="+", default=["Random", "Bayesian"])
    parser.add_argument("--spot", action="store_true", help="on a fleet whose machines are taken away")
    options = parser.parse_args()
    shares = [run(strategy, options) for strategy in options.strategies]
    return 0 if min(shares) >= GOAL else 1


if __name__ == "__main__":
    raise SystemExit(main())
