"""What a person can type about an error or a job: commands, options and variables of this command line."""

from __future__ import annotations

import os
import shlex
import sys
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
    Trouble,
    ValidationError,
    Violation,
)
from hpt.executors.record import LOG
from hpt.job.config import RESULT_METRIC, JobConfig
from hpt.job.state import JobState
from hpt.job.view import JobView, TrialView
from hpt.search.trial import TrialStatus
from hpt.storage.place import state_directory


def command(words: str, root: str | Path) -> str:
    """`hpt WORDS`, to be typed by a person; with `--state` where the command would otherwise look elsewhere
    than in `root`.
    """
    try:
        found = state_directory() == Path(root)
    except InputError:
        found = False
    return f"hpt {words}" if found else f"hpt {words} --state {shlex.quote(str(root))}"


def explain(error: HptError) -> str:
    """The message of an error, and what to type about it."""
    match error:
        case ValidationError():
            head, *_ = str(error).splitlines()
            return "\n".join([head, *(f"  {_violation(each)}" for each in error.violations)])
        case StateDirectoryError():
            return f"{error} with --state or $HPT_HOME"
        case JobNotFoundError() if error.root:
            return f"{error}; `{command('list', error.root)}` shows those there are"
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


def _pip() -> str:
    """pip of the environment that runs this command, which is the one that lacks something."""
    return f"{shlex.quote(sys.executable)} -m pip"


def _violation(violation: Violation) -> str:
    words, facts = str(violation), violation.facts
    if "extra" in facts:
        return f"{words}; run: {_pip()} install 'hpt[{facts['extra']}]'"
    if violation.rule == "V03" and "autotune" in words:
        return f"{words}: --autotune"
    tried = facts.get("tried", "")
    if tried and tried not in words:
        words = f"{words}; looked at {tried}"
    if violation.rule == "program" and os.path.isfile(tried):  # noqa: PTH113 (False where one may not look)
        if not os.access(tried, os.R_OK):
            return f"{words}; run: chmod u+r {shlex.quote(tried)}"
        if not tried.endswith(".py") and not os.access(tried, os.X_OK):
            return f"{words}; run: chmod +x {shlex.quote(tried)}"
    return words


def _exists(error: JobExistsError) -> str:
    if error.differences:
        return (
            f"tuning job {error.name!r} is unfinished and was described otherwise: "
            f"{'; '.join(error.differences)}. Go on with it as it is by "
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
    if error.trouble in (Trouble.FULL, Trouble.WRITING):
        again = "`hpt resume` the job"
        if error.root:
            again = f"`{command(f'resume {error.name}', error.root)}`" if error.name else "try again"
        elif error.name:
            again = f"`hpt resume {error.name}`"
        return error.told(f"{error.fix}, then {again}")
    if error.trouble is Trouble.FORBIDDEN:
        return error.told(f"{error.fix}, or choose another state directory with --state")
    if error.trouble is Trouble.UNSAFE:
        return error.told(f"{error.fix} with --state")
    return str(error)


class HintedView(JobView):
    """A tuning job whose reasons of failure say what to type about them.

    root: the state directory that holds it.
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
        """The command that looks into the log of a training job that ran and printed no objective."""
        ran = (
            trial.status.ended and trial.status is not TrialStatus.FAILED and trial.training_start is not None
        )
        if not ran or trial.value is not None or {trial.metric, RESULT_METRIC} & trial.latest.keys():
            return ""
        log = self._trials_root / trial.name / "attempts" / str(trial.attempts[-1].number) / LOG
        if not os.path.exists(log):  # noqa: PTH110 (False where one may not look)
            return ""
        definitions = self.config.definition_of(trial.definition).metric_definitions
        tried = [f"--metric={each.name}={each.regex}" for each in definitions if each.name == trial.metric]
        return f"; try: {shlex.join(['hpt', 'check-metric', str(log), *tried])}"
