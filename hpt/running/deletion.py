"""What stands against deleting a job: training jobs that nobody could stop afterwards."""

from __future__ import annotations

import fcntl
from pathlib import Path

from hpt.errors import InputError
from hpt.executors.record import LOCK
from hpt.fleet.registry import PLACES
from hpt.job.plural import quantity
from hpt.job.state import JobState
from hpt.running.chosen_executor import kept


def check_nothing_runs(name: str, directory: Path, state: JobState | None, *, alone: bool) -> None:
    """Raises InputError where a training job would go on without its job.

    name: the job's, which no tuner runs. directory: where it is kept. state: as it stands; None if that
    cannot be read. alone: it is a training job that belongs to no tuning job.
    """
    running = _running_below(directory / "trials")
    where, first = "", "stop the tuning job first"
    if not running and state is not None and (remote := kept(directory)) is not None:
        running = [job.name for job in state.running.values() if job.live]
        where, first = f" on {PLACES[remote[0]]}", "resume the tuning job and stop it first"
    if running and alone:
        raise InputError(f"training job {name!r} still runs; stop it first")
    if running:
        raise InputError(
            f"{quantity(len(running), 'training job')} of tuning job {name!r} still "
            f"{'runs' if len(running) == 1 else 'run'}{where} ({running[0]}); {first}"
        )


def _running_below(trials: Path) -> list[str]:
    """The names of the training jobs that have a living supervisor, whoever started it."""
    running = []
    for lock in sorted(trials.glob(f"*/attempts/*/{LOCK}")):
        try:
            with lock.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            running.append(lock.parents[2].name)
        except OSError:
            continue  # it went away, or says nothing
    return running
