"""What a short training job costs on a Ray cluster, beside a bare task of Ray that runs the same program.

    python examples/ray/cluster.py python benchmarks/bench_ray.py [--trials 500] [--tune] [--peer-trials N]

The program is a shell script that prints its metric. Each way keeps as many running as the example's cluster
has CPUs: bare tasks that run it as a child process, training jobs through `RayExecutor` (training directory,
log, supervisor, exit record), a whole tuning job with random search, and (`--tune`) Ray Tune, whose trainable
runs it, once as it comes and once with `reuse_actors`, which runs one trial after the other in the same
process. Milliseconds a trial of wall time, and of CPU time in the process that drives. Ray Tune runs as many
trials as fit into `--peer-seconds` (480), at most `--peer-trials` (as many as the others), without its
loggers; what has not ended by then does not count.
Limit: less wall time a training job than Ray Tune as it comes, in the same run; without it 0.5 s.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from hpt.executors.base import Submission
from hpt.fleet.ray_executor import RayExecutor
from hpt.fleet.setting import Setting
from hpt.job.build import tuning_job
from hpt.job.config import Objective, TrainingJobDefinition
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.trial import ObjectiveType

LIMIT_SECONDS = 0.5
SLOTS = 3  # CPUs of the example's cluster
SPACE = SearchSpace([ContinuousParameter("x", 0, 1)])
SCRIPT = '#!/bin/sh\necho "loss=0.$(date +%N)"\n'


Ran = tuple[float, int]
"""Seconds, and how many trials ended in them."""


def bare(trials: int, program: Path) -> Ran:
    import ray

    ray.init(address=os.environ["RAY_ADDRESS"], log_to_driver=False, logging_level="ERROR")

    @ray.remote(num_cpus=1)
    def run() -> bytes:
        return subprocess.run([str(program)], capture_output=True, check=True).stdout

    while ray.cluster_resources().get("CPU", 0) < SLOTS:
        time.sleep(0.1)
    ray.get([run.remote() for _ in range(SLOTS)])  # workers are started
    began = time.monotonic()
    ray.get([run.remote() for _ in range(trials)])
    return time.monotonic() - began, trials


def executor(trials: int, program: Path) -> Ran:
    definition = TrainingJobDefinition(str(program), SPACE, Objective("loss", ObjectiveType.MINIMIZE))
    setting = Setting(program.parents[1] / "job" / "trials", True, None, print, {"lease": "60"})
    runs = RayExecutor(setting)
    waiting = [Submission(f"job-{number:05}", 1, {"x": "0.5"}, definition) for number in range(trials)]
    while sum(node.cpus for node in runs.nodes) < SLOTS:
        runs.poll()
        runs.wait(0.1)
    for submission in waiting[:SLOTS]:
        runs.submit(submission)
    done, began = 0, time.monotonic()
    left = iter(waiting[SLOTS:])
    while done < trials:
        for update in runs.poll():
            if update.exit is not None:
                assert update.exit.exit_code == 0, update.exit
                done += 1
                if (following := next(left, None)) is not None:
                    runs.submit(following)
        runs.wait(0.05)
    took = time.monotonic() - began
    runs.close()
    return took, trials


def tuning(trials: int, program: Path) -> Ran:
    from hpt.running.session import Session

    config = tuning_job(
        "bench",
        program=program,
        space=SPACE,
        metric="loss",
        regex=r"loss=(\S+)",
        objective="Minimize",
        max_jobs=trials,
        max_parallel_jobs=SLOTS,
        strategy="Random",
        seed=1,
    )
    session = Session(program.parents[1] / "state", executor="ray", options={"lease": "60"})
    run = session.start(config)
    began = time.monotonic()
    run.follow()
    return time.monotonic() - began, trials


def ray_tune(trials: int, program: Path, seconds: float, *, reuse: bool = False) -> Ran:
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = (
        "1"  # files of each trial that hpt does not write either
    )
    import ray
    from ray import tune

    ray.init(address=os.environ["RAY_ADDRESS"], log_to_driver=False, logging_level="ERROR")

    def train(config: dict[str, float]) -> None:
        said = subprocess.run([str(program)], capture_output=True, check=True).stdout
        tune.report({"loss": float(said.split(b"=")[1])})

    config = tune.TuneConfig(
        num_samples=trials,
        metric="loss",
        mode="min",
        reuse_actors=reuse,
        max_concurrent_trials=SLOTS,
        time_budget_s=seconds,
    )
    began = time.monotonic()
    results = tune.Tuner(
        train,
        param_space={"x": tune.uniform(0, 1)},
        tune_config=config,
        run_config=tune.RunConfig(storage_path=str(program.parents[1] / "tune"), verbose=0),
    ).fit()
    took = time.monotonic() - began
    return took, sum("loss" in (each.metrics or {}) for each in results)


WAYS: dict[str, Callable[[int, Path], Ran]] = {
    "bare tasks": bare,
    "RayExecutor": executor,
    "hpt tune": tuning,
}
PEERS: dict[str, Callable[[int, Path, float], Ran]] = {
    "Ray Tune": ray_tune,
    "Ray Tune, actors reused": partial(ray_tune, reuse=True),
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--tune", action="store_true", help="Ray Tune as well, of `ray[tune]`")
    parser.add_argument("--peer-trials", type=int, help="of Ray Tune, at most; default: as many")
    parser.add_argument("--peer-seconds", type=float, default=480.0, help="of Ray Tune, at most")
    parser.add_argument("--way", choices=[*WAYS, *PEERS], help="measure one way in this process")
    options = parser.parse_args()
    if options.way:
        with tempfile.TemporaryDirectory() as place:
            program = Path(place, "program", "train.sh")
            program.parent.mkdir()
            program.write_text(SCRIPT)
            program.chmod(0o755)
            if options.way in PEERS:
                ran = PEERS[options.way](options.trials, program, options.peer_seconds)
            else:
                ran = WAYS[options.way](options.trials, program)
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(json.dumps([*ran, used.ru_utime + used.ru_stime]))
        return 0
    if "RAY_ADDRESS" not in os.environ:
        print("no cluster: run it by examples/ray/cluster.py, see the docstring")
        return 0
    walls: dict[str, float] = {}
    for way in (*WAYS, *PEERS) if options.tune else WAYS:
        asked = (way in PEERS and options.peer_trials) or options.trials
        command = [sys.executable, __file__, "--way", way, "--trials", str(asked)]
        command += ["--peer-seconds", str(options.peer_seconds)]
        said = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
        seconds, ended, cpu = json.loads(said.splitlines()[-1])
        walls[way] = seconds / max(1, ended)
        here = 1000 * cpu / max(1, ended)
        print(
            f"{way:24} {1000 * walls[way]:8.1f} ms a trial, {here:6.1f} ms of CPU here, {ended} trials",
            flush=True,
        )
    return 0 if max(walls["RayExecutor"], walls["hpt tune"]) < walls.get("Ray Tune", LIMIT_SECONDS) else 1


if __name__ == "__main__":
    sys.exit(main())
