"""Hints about errors and jobs: commands, options and variables that the user can type."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from hpt.errors import (
    DependencyError,
    HptError,
    InputError,
    JobExistsError,
    JobNotFoundError,
    JobOwnedError,
    StateDirectoryError,
    StorageError,
    StorageProblem,
    ValidationError,
    Violation,
)
from hpt.executors.record import LOG
from hpt.host.state_parts import is_of_training_jobs
from hpt.job.config import RESULT_METRIC, JobConfig
from hpt.job.state import JobState
from hpt.job.view import JobView, TrialView
from hpt.running.jobs import near_names
from hpt.search.trial import TrialStatus
from hpt.storage.place import state_directory
from hpt.storage.sqlite import SQLiteStorage


def command(arguments: str, root: str | Path) -> str:
    """`hpt ARGUMENTS` as the user types it, with `--state` if the default state directory is not `root`."""
    root = Path(root)
    if is_of_training_jobs(root):
        root = root.parent
    try:
        is_default = state_directory() == root
    except InputError:
        is_default = False
    return f"hpt {arguments}" if is_default else f"hpt {arguments} --state {shlex.quote(str(root))}"


def explain(error: HptError) -> str:
    """The message of an error, with a hint."""
    match error:
        case ValidationError():
            return error.message_with(_violation)
        case StateDirectoryError():
            return f"{error} with --state or $HPT_HOME"
        case JobNotFoundError() if error.root:
            return _not_found(error)
        case JobExistsError() if error.root:
            return _exists(error)
        case JobOwnedError() if error.reachable:
            return f"{error}, or end it with `{command(f'stop {error.name}', error.root)}`"
        case StorageError():
            return _storage(error)
        case DependencyError():
            where = f" ({error.path})" if error.path else ""
            return f"{error}{where}: {_pip()} install -U {error.library}"
    return str(error)


def _not_found(error: JobNotFoundError) -> str:
    """With the names that look like the one that was typed, and where all stand."""
    near: list[str] = []
    with suppress(HptError, OSError), closing(SQLiteStorage(Path(error.root))) as storage:
        near = near_names(storage, error.name)
    meant = f"; did you mean {' or '.join(near)}?" if near else ";"
    return f"{error}{meant} `{command('list', error.root)}` shows those there are"


def _pip() -> str:
    """pip of the Python environment that runs this command."""
    return f"{shlex.quote(sys.executable)} -m pip"


def _violation(violation: Violation) -> str:
    message, facts = str(violation), violation.facts
    if "extra" in facts:
        return f"{message}; run: {_pip()} install 'hpt[{facts['extra']}]'"
    if "pull" in facts:
        return f"{message}; run: {facts['pull']}"
    if violation.rule == "V03" and "autotune" in message:
        return f"{message}: --autotune"
    tried = facts.get("tried", "")
    if tried and tried not in message:
        message = f"{message}; looked at {tried}"
    if violation.rule == "program" and os.path.isfile(tried):  # noqa: PTH113 (False if access is denied)
        if not os.access(tried, os.R_OK):
            return f"{message}; run: chmod u+r {shlex.quote(tried)}"
        if "executable" in message and not os.access(tried, os.X_OK):
            return f"{message}; run: chmod +x {shlex.quote(tried)}"
    return message


def _exists(error: JobExistsError) -> str:
    if error.differences:
        return (
            f"tuning job {error.name!r} is unfinished and has another description: "
            f"{'; '.join(error.differences)}. Go on with it unchanged by "
            f"`{command(f'resume {error.name}', error.root)}`, end it by "
            f"`{command(f'stop {error.name}', error.root)}`, or choose another name with --name"
        )
    go_on = ""
    if error.unfinished:
        go_on = f"go on with it by `{command(f'resume {error.name}', error.root)}`, "
    return (
        f"a tuning job named {error.name!r} exists in {error.root}; {go_on}"
        "choose another name with --name, or use --again"
    )


def _storage(error: StorageError) -> str:
    if error.problem in (StorageProblem.FULL, StorageProblem.WRITING):
        again = "`hpt resume` the job"
        if error.root:
            again = f"`{command(f'resume {error.name}', error.root)}`" if error.name else "try again"
        elif error.name:
            again = f"`hpt resume {error.name}`"
        return error.message_with(f"{error.fix}, then {again}")
    if error.problem is StorageProblem.FORBIDDEN:
        return error.message_with(f"{error.fix}, or choose another state directory with --state")
    if error.problem is StorageProblem.UNSAFE:
        return error.message_with(f"{error.fix} with --state")
    return str(error)


class HintedView(JobView):
    """The view of a tuning job whose failure reasons have hints.

    root: its state directory.
    """

    def __init__(self, config: JobConfig, state: JobState, root: Path) -> None:
        super().__init__(config, state)
        self._trials_root = root / config.name.lower() / "trials"
        last = next((job for job in reversed(state.jobs.values()) if job.failure_reason), None)
        if last is not None and self.failure_reason.endswith(last.failure_reason):
            head = self.failure_reason.removesuffix(last.failure_reason)
            self.failure_reason = head + self.trial(last.number).failure_reason

    def trial(self, number: int) -> TrialView:
        if number in self._trials:
            return self._trials[number]
        trial = super().trial(number)
        hint = self._hint(trial)
        if hint:
            self._trials[number] = trial = replace(trial, failure_reason=trial.failure_reason + hint)
        return trial

    def _hint(self, trial: TrialView) -> str:
        """The command that checks the log of a training job that ran and printed no objective."""
        ran = (
            trial.status.ended and trial.status is not TrialStatus.FAILED and trial.training_start is not None
        )
        if not ran or trial.value is not None or {trial.metric, RESULT_METRIC} & trial.latest.keys():
            return ""
        log = self._trials_root / trial.name / "attempts" / str(trial.attempts[-1].number) / LOG
        if not os.path.exists(log):  # noqa: PTH110 (False if access is denied)
            return ""
        definitions = self.config.definition_of(trial.definition).metric_definitions
        tried = [f"--metric={each.name}={each.regex}" for each in definitions if each.name == trial.metric]
        return f"; try: {shlex.join(['hpt', 'check-metric', str(log), *tried])}"
