"""Messages about a running job: what the plain progress lines and the live display share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from hpt.host.terminal import printable
from hpt.job.completion import NOT_IMPROVING
from hpt.job.state import TrainingJob
from hpt.running.runner import TuningJobRunner
from hpt.search import events as ev
from hpt.search.stopping.successive_halving import MAX_RESOURCE_REACHED
from hpt.search.trial import Config, Verdict


def duration(seconds: float) -> str:
    """`0:07`, `12:40`, `3:05:09`."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def number(value: float | None) -> str:
    """A metric value with six significant digits."""
    return "-" if value is None else f"{value:.6g}"


LONGEST_VALUE = 60


def hyperparameters(config: Config, width: int = 1000) -> str:
    """`eta=0.31 max_depth=4`, a long value cut, and the whole at `width` characters."""
    line = " ".join(
        f"{name}={f'{value:.4g}' if isinstance(value, float) else cut(str(value), LONGEST_VALUE)}"
        for name, value in config.items()
    )
    return printable(cut(line, width), keep="")


def cut(string: str, width: int) -> str:
    """The string, with an ellipsis for what is beyond `width` characters."""
    return string if len(string) <= width else string[: width - 1] + "…"


def time_left(runner: TuningJobRunner, now: float) -> float | None:
    """Expected seconds to the end of the job: mean run time of ended trials times what is left, or None."""
    state, limits = runner.state, runner.config.limits
    by_clock = (
        None
        if limits.max_runtime_seconds is None
        else state.created + state.idle + limits.max_runtime_seconds - now
    )
    done = [job for job in state.jobs.values() if job.status.ended and job.training_end is not None]
    if not done or limits.max_jobs is None:
        return by_clock
    mean = sum((job.training_end or 0.0) - job.created for job in done) / len(done)
    running = sum(max(0.0, mean - (now - job.created)) for job in state.running.values())
    work = running + mean * (limits.max_jobs - state.launched)
    left = work / min(limits.max_parallel_jobs, max(1, limits.max_jobs - len(done)))
    return left if by_clock is None else min(left, by_clock)


def stopped(reason: str, verdict: Verdict | None) -> str:
    """`EarlyStopped by MedianRule at report 3: 0.51 is worse than 0.48`; "" if it was not stopped."""
    if not reason or verdict is None:
        return reason
    if verdict.rule == MAX_RESOURCE_REACHED:
        return f"{reason}: reached {verdict.rule} at report {verdict.report}"
    line = f"{reason} by {verdict.rule} at report {verdict.report}"
    if verdict.value is None or verdict.threshold is None:
        return line
    return f"{line}: {number(verdict.value)} is worse than {number(verdict.threshold)}"


def outcome(runner: TuningJobRunner, job: TrainingJob) -> str:
    """One ended training job in a line."""
    metric = runner.config.definition_of(job.definition).objective.metric
    line = f"{job.name}  {job.secondary}"
    if job.value is not None:
        line += f"  {metric} {number(job.value)}"
        if runner.state.best is job:
            line += " (best so far)"
    if job.failure_reason:
        line += f"  {printable(' '.join(job.failure_reason.split())[:200], keep='')}"
    return line


class PlainProgress:
    """One line per event, for pipes and log files."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = 0.0

    def update(self, runner: TuningJobRunner, events: Sequence[ev.Event]) -> None:
        later = sum(isinstance(event, ev.TrialEnded) for event in events)
        for event in events:
            later -= isinstance(event, ev.TrialEnded)
            message = self._message(runner, event, later)
            if message:
                self._shown = max(self._shown, event.time)  # a log's times may trail those of the tuner
                elapsed = duration(self._shown - runner.state.created)
                print(f"{elapsed:>8}  {message}", file=self._stream, flush=True)

    def tick(self, runner: TuningJobRunner) -> None:
        pass

    def say(self, message: str) -> None:
        print(f"hpt: {message}", file=self._stream, flush=True)

    @staticmethod
    def _message(runner: TuningJobRunner, event: ev.Event, later: int) -> str:
        """The message for `event`, "" for none. `later`: how many trials end after it in the same step."""
        jobs = runner.state.jobs
        match event:
            case ev.AttemptCreated() if event.attempt == 1:
                job = jobs[event.number]
                which = "" if job.definition is None else f"{job.definition}  "
                return f"{job.name}  started  {which}{hyperparameters(job.config)}"
            case ev.AttemptCreated():
                return f"{jobs[event.number].name}  started again (attempt {event.attempt})"
            case ev.StopDecided():
                why = stopped(event.reason, event.verdict).removeprefix(event.reason)
                return f"{jobs[event.number].name}  being stopped ({event.reason}){why}"
            case ev.AttemptEnded():
                message = printable(" ".join(event.message.split()), keep="")
                return f"{jobs[event.number].name}  {event.outcome.lower()} {message}".rstrip()
            case ev.TrialEnded():
                ended = runner.state.launched - len(runner.state.running) - later
                total = runner.config.limits.max_jobs
                return f"{outcome(runner, jobs[event.number])}  [{ended}{f'/{total}' if total else ''}]"
            case ev.JobStopRequested():
                return f"stopping the tuning job ({event.criterion}){_since_best(runner, event.criterion)}"
            case _:
                return ""


def _since_best(runner: TuningJobRunner, criterion: str) -> str:
    """How a job that does not improve stands: which training job is the best, and how many came since."""
    state = runner.state
    if criterion != NOT_IMPROVING or state.best is None:
        return ""
    since = "1 since is" if state.since_best == 1 else f"{state.since_best} since are"
    row = state.longest_not_improving
    small = "" if state.since_best >= row else f"; the last {row} gained less than 1 % each time"
    return f": training job {state.best.number} is the best, {since} no better{small}"
