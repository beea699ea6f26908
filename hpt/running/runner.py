"""Runs a tuning job: decide, record, then act.

One `step` reads what happened, lets the tuner decide, commits every event in one transaction, and only then
stops and starts training programs. Killed between any two lines, a job resumes from its events: an attempt
that was recorded but never started is submitted again (submitting is idempotent), one that runs is attached
to.
"""

from __future__ import annotations

import time as _time
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from math import isfinite

from hpt.executors.base import AttemptKey, Executor, Exit, Submission, Update
from hpt.job.config import NO_OBJECTIVE, OBJECTIVE_METRIC_KEY, RESULT_METRIC, JobConfig
from hpt.job.decisions import make_search
from hpt.job.extension import EXHAUSTED, extended
from hpt.job.lifecycle import PHASES
from hpt.job.notes import STOP_TRAINING_JOB, check_notes, stop_requested
from hpt.job.state import STOP_REQUESTED, JobState, JobStatus, TrainingJob, training_job_name
from hpt.metrics.definitions import CompiledDefinitions
from hpt.metrics.pace import Pace
from hpt.running.attempts import PATIENCE, Attempts
from hpt.running.endings import all_failed, hopeless, last_status, ran_out, taken_away, without_value
from hpt.running.frequent_reports import FrequentReports
from hpt.running.reading import LogReader, Reading
from hpt.running.warn import silent, warn
from hpt.search import events as ev
from hpt.search.convergence import Convergence
from hpt.search.events import BY_RULE, AttemptOutcome, StopReason
from hpt.search.history import History
from hpt.search.numbers import counted
from hpt.search.trial import Decision, TrialStatus
from hpt.search.tuner import Tuner
from hpt.storage.base import Lease, Storage

_SLACK = 1.0
"""Seconds before a wait is over from which it is looked at exactly, since sums of times are rounded."""

MAX_JOBS = "MaxNumberOfTrainingJobs"
MAX_RUNTIME = "MaxRuntimeInSeconds"
NO_SUCCESS = "NoTrainingJobSucceeded"


class TuningJobRunner:
    """Drives one tuning job whose lease this process holds.

    observe: called with the events of each committed step. boundary: called with a name at every point
    between deciding, recording and acting; whatever is killed there must resume. Both may raise to end it.
    pace: how long one step may read logs, the rest being left for the next; None: until what came is read.
    say: called with messages for the user. patience: seconds without an answer of the executor after which
    `step` gives up; the job can then be resumed.
    """

    def __init__(
        self,
        config: JobConfig,
        created: float,
        events: Sequence[ev.Event],
        storage: Storage,
        lease: Lease,
        executor: Executor,
        *,
        clock: Callable[[], float] = _time.time,
        observe: Callable[[Sequence[ev.Event]], None] = lambda events: None,
        boundary: Callable[[str], None] = lambda name: None,
        pace: Pace | None = None,
        say: Callable[[str], None] = silent,
        patience: float = PATIENCE,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Bring the job to the state that its events give; nothing is started before `step`.

        Parameters
        ----------
        config
            The job, its seed included.
        created
            When it was created, in seconds since the epoch.
        events
            What was recorded of it so far, in order.
        storage, lease
            Where events are appended, and the right to do so.
        executor
            Runs the training programs.
        clock
            Seconds since the epoch.
        observe, boundary, pace, say, patience
            See the class.
        check
            Called before anything is recorded or started; raises where the job's state is gone.

        Raises
        ------
        ValueError
            The job has no seed.
        """
        config = extended(config, events)
        if config.seed is None:
            raise ValueError("the seed of a stored job is always recorded")
        self.config = config
        self.state = JobState(config.objective_type, created)
        strategy, rule = make_search(config)
        self._tuner = Tuner(
            config.space, config.objective_type, strategy, seed=config.seed, stopping_rule=rule
        )
        self._convergence = Convergence(config.seed)
        self._identity = f"{config.name}/{created!r}/{config.seed}"  # one of the same name was made later
        self._storage, self._lease = storage, lease
        self._clock, self.observe, self._boundary, self.say = clock, observe, boundary, say
        self._check = check
        self._definitions = {
            definition.name: CompiledDefinitions(
                definition.metric_definitions, warn=lambda message: warn(self.say, message)
            )
            for definition in config.all_definitions
        }
        self._attempts = Attempts(executor, clock, boundary, lambda message: self.say(message), patience)
        self._reader = LogReader(self._attempts.poll, pace, boundary)
        self._frequent = FrequentReports(config)
        self._numbers: dict[AttemptKey, int] = {}  # the trials of live attempts
        self._idle: set[int] = set()  # running trials without a live attempt
        self._waits: list[tuple[float, int]] = []  # a heap of when waiting for capacity may be over
        self._events: list[ev.Event] = []
        self._notes_read = 0
        self.places: int | None = None
        """How many training jobs can run at a time here; None: any number."""
        self._to_end = False  # whether a note asks for the tuning job to stop
        self._exhausted = False
        self._attached = self._interrupting = False
        for event in events:
            self._apply(event)

    @property
    def history(self) -> History:
        """The search's view of the job, as it stands."""
        return self._tuner.history

    @property
    def parallel(self) -> int:
        """How many training jobs run at a time: as asked for, as far as there is room for them here."""
        asked = self.config.limits.max_parallel_jobs
        return asked if self.places is None else min(asked, self.places)

    @property
    def finished(self) -> bool:
        """Nothing is left to do: the job is terminal, or paused with every trial interrupted."""
        return self.state.status.ended or (self._interrupting and not self._attempts.submitted)

    def step(self) -> bool:
        """One round of poll, decide, commit, act. True if anything happened."""
        self._check()
        self._attach()
        for reading in self._reader.read():
            self._take_in(reading)
        if not self.state.status.ended:
            self._read_notes()
            self._watch_waits()
            self._settle()
            self._conclude()
            self._launch()
        return self._commit_and_act()

    def warm_up(self) -> None:
        """Let the executor begin what any training job needs, while the first is still being chosen."""
        limits, state, left = self.config.limits, self.state, self.parallel
        if limits.max_jobs is not None:
            left = min(left, limits.max_jobs - state.launched + len(state.running))
        if left > 0 and not state.status.ended and not state.criterion:
            self._attempts.warm_up(self.config.definition, left, self.parallel)

    def wait(self, seconds: float) -> None:
        """Sleep until there is news of a training job, or so many seconds."""
        self._attempts.wait(seconds)

    def run(
        self,
        *,
        sleep: Callable[[float], None] | None = None,
        shortest: float = 0.01,
        longest: float = 0.25,
    ) -> None:
        """Step until the job has ended or was interrupted, pausing longer while nothing happens.

        sleep: pauses for so many seconds at most; None: `wait`.
        """
        sleep = self.wait if sleep is None else sleep
        pause = shortest
        while not self.finished:
            pause = shortest if self.step() else min(longest, pause * 1.5)
            if not self.finished:
                sleep(pause)

    def interrupt(self, *, now: bool = False) -> None:
        """Interrupt every running trial, with grace unless `now`, so that a resume continues it.

        The job stays InProgress; step until `finished`. With `now`, no line is waited for that another
        process has to read.
        """
        self._interrupting = True
        self._attach()
        self._attempts.withdraw()
        for key in list(self._attempts.submitted):
            job = self.state.running[self._numbers[key]]
            if not job.stop_reason:
                self._decide_stop(job, StopReason.INTERRUPTED, now=now)
            elif now:
                self._attempts.stop(key, now=True)
        if now:
            for definitions in self._definitions.values():
                definitions.lines.hurried = True
            self._commit_and_act()

    def abandon(self) -> None:
        """End every training program at once and record nothing. A resumed job goes on with each of them."""
        self._attempts.abandon()

    def request_stop(self) -> None:
        """End the job: no further launches, running trials stopped with grace, then `Stopped`."""
        if self.config.alone:
            for job in self.state.running.values():
                self._stop_by_user(job)
        elif not self.state.status.ended and self.state.criterion != STOP_REQUESTED:
            self._stop_job(STOP_REQUESTED)

    # -- deciding

    def _emit(self, event: ev.Event) -> None:
        self._events.append(event)
        self._apply(event)

    def _apply(self, event: ev.Event) -> None:
        self.state.apply(event)
        self._tuner.apply(event)
        match event:
            case ev.TrialCreated():
                self._idle.add(event.number)
                limit = self.config.definition_of(event.definition).max_wait_seconds
                if limit is not None:
                    heappush(self._waits, (event.time + limit, event.number))
            case ev.AttemptCreated() | ev.TrialEnded():
                self._idle.discard(event.number)
            case ev.AttemptEnded():
                self._idle.add(event.number)
            case _:
                pass

    def _attach(self) -> None:
        """Take up every attempt that was recorded as created: running ones, and ones never started."""
        if self._attached:
            return
        self._attached = True
        for job in list(self.state.running.values()):
            if job.live:
                self._submit(job)
                if job.stop_reason:
                    self._attempts.stop(_key(job))
        self._act()

    def _decide_stop(self, job: TrainingJob, reason: StopReason, *, now: bool = False) -> None:
        """Stop a training job; its program, if it has one, once that is recorded."""
        time = self._clock()
        self._emit(
            self._tuner.stop(job.number, time, reason)
            if reason in BY_RULE
            else ev.StopDecided(time, job.number, reason)
        )
        if job.live:
            self._attempts.stop(_key(job), now=now)

    def _take_in(self, reading: Reading) -> None:
        """Record an update of an attempt."""
        number = self._numbers.get(reading.update.key)
        if number is None:
            return
        job = self.state.running[number]
        self._follow(job, reading.update)
        self._take(job, reading.values)
        if reading.exit is not None:
            del self._numbers[reading.update.key]
            self._attempts.forget(reading.update.key)
            self._end(job, reading.exit)

    def _follow(self, job: TrainingJob, update: Update) -> None:
        """Record the phases the attempt went through since it was last looked at.

        Once it is to stop, an earlier phase is not recorded any more. That it stops though nobody asked means
        that its time is up, or that somebody outside stops it.
        """
        limit = self.config.definition_of(job.definition).max_runtime_seconds
        for phase, time in sorted(update.times.items(), key=lambda entry: entry[1]):
            stopping = job.status is TrialStatus.STOPPING
            if phase == "Stopping" and not job.stop_reason and ran_out(job, update, time, limit):
                self._emit(ev.StopDecided(time, job.number, StopReason.DEADLINE))
            elif phase not in PHASES or phase == "Stopping" or job.entered(phase):
                continue
            elif phase == "Uploading" or not stopping:
                self._emit(ev.StatusChanged(time, job.number, phase))

    def _take(self, job: TrainingJob, values: Sequence[tuple[str, float, int, float]]) -> None:
        """Record (metric, value, offset after its line, time) and let the stopping rule judge.

        Values that a program prints after the rule's verdict are recorded, but the search does not see them:
        how many there are depends on how soon the program ends.
        """
        definition = self.config.definition_of(job.definition)
        objective = definition.objective.metric
        for metric, value, cursor, time in values:
            self._emit(ev.MetricLogged(time, job.number, job.attempt, metric, value, cursor))
            if metric != objective or job.stop_reason in BY_RULE:
                continue
            self._emit(ev.Reported(time, job.number, value, float(job.reports + 1)))
            if too_often := self._frequent.warning(definition, job.name, job.reports):
                warn(self.say, too_often)
            if not job.stop_reason and self._tuner.judge(job.number) is Decision.STOP:
                self._decide_stop(job, self._reason_of_rule(job))

    def _reason_of_rule(self, job: TrainingJob) -> StopReason:
        """Why the stopping rule stops a training job: it has used up its resource, or it is given up."""
        hyperband = self.config.hyperband
        done = hyperband is not None and job.reports >= hyperband.max_resource
        return StopReason.MAX_RESOURCE if done else StopReason.RULE

    def _end(self, job: TrainingJob, exit: Exit) -> None:
        now = exit.ended if exit.ended is not None else self._clock()
        if (taken := taken_away(job, exit)) is not None:
            outcome, code, reason = taken
            kept = job.reports_within(exit.checkpoint)
            self._emit(
                ev.AttemptEnded(now, job.number, job.attempt, outcome, code, reason, kept, exit.charged)
            )
            return  # whether the trial goes on is decided next
        if exit.by_user and not job.stop_reason:
            self._emit(ev.StopDecided(now, job.number, StopReason.USER))
        if exit.timed_out:
            status, secondary = TrialStatus.STOPPED, "MaxRuntimeExceeded"
        elif exit.stopped:
            status, secondary = TrialStatus.STOPPED, last_status(job)
        elif job.stop_reason in BY_RULE and exit.exit_code != 0:
            status, secondary = TrialStatus.STOPPED, last_status(job)  # what failed was to have ended before
        else:
            status = TrialStatus.COMPLETED if exit.exit_code == 0 else TrialStatus.FAILED
            secondary = str(status)
        reason = exit.reason if status is TrialStatus.FAILED else ""
        self._end_trial(job, now, status, secondary, reason, exit=exit)

    def _read_notes(self) -> None:
        """Take new notes into account: stop the training jobs they name, see whether one stops the job."""
        notes = self._storage.notes(self._lease.name)
        fresh = notes[self._notes_read :]
        check_notes(fresh)
        if fresh:
            self._to_end = stop_requested(notes)
        for note in fresh:
            job = self.state.running.get(note.body.get(STOP_TRAINING_JOB, 0))
            if job is not None:
                self._stop_by_user(job)
        self._notes_read = len(notes)

    def _stop_by_user(self, job: TrainingJob) -> None:
        if job.stop_reason in ("", StopReason.INTERRUPTED):
            self._decide_stop(job, StopReason.USER)

    def _watch_waits(self) -> None:
        """Stop training jobs on Spot capacity whose time is up, waiting included. Pauses do not count."""
        now = self._clock()
        late: list[TrainingJob] = []
        early: list[tuple[float, int]] = []
        while self._waits and self._waits[0][0] <= now + _SLACK:
            _, number = heappop(self._waits)
            job = self.state.running.get(number)
            if job is None or job.stop_reason not in ("", StopReason.INTERRUPTED):
                continue
            limit = self.config.definition_of(job.definition).max_wait_seconds or 0.0
            if job.paused_at is None and now - job.created - job.paused >= limit:
                late.append(job)
            else:
                early.append((job.created + job.paused + limit, number))
        for entry in early:
            heappush(self._waits, entry)
        for job in sorted(late, key=lambda job: job.number):
            self._decide_stop(job, StopReason.WAIT)

    def _settle(self) -> None:
        """End every trial that has no attempt and will get none."""
        for number in sorted(self._idle):
            job = self.state.running[number]
            definition = self.config.definition_of(job.definition)
            limit = definition.max_runtime_seconds
            if job.stop_reason or self.state.criterion:
                self._end_trial(job, self._clock(), TrialStatus.STOPPED, last_status(job))
            elif limit is not None and job.ran >= limit:
                self._end_trial(job, self._clock(), TrialStatus.STOPPED, str(StopReason.DEADLINE))
            elif job.lost > definition.retry_attempts:
                reason = (
                    f"the infrastructure failed {counted(job.lost, 'time')}; the last time: {job.lost_reason}"
                )
                self._end_trial(job, self._clock(), TrialStatus.FAILED, "Failed", reason, retryable=True)

    def _end_trial(
        self,
        job: TrainingJob,
        now: float,
        status: TrialStatus,
        secondary: str,
        reason: str = "",
        *,
        retryable: bool = False,
        exit: Exit | None = None,
    ) -> None:
        metric = self.config.definition_of(job.definition).objective.metric
        value, _ = job.metrics.get(RESULT_METRIC) or job.metrics.get(metric) or (None, 0.0)
        if job.stop_reason in BY_RULE and job.reported is not None:
            value = job.reported  # what the rule judged
        if status is TrialStatus.FAILED:
            value = None
        elif self.config.alone:  # it did what it was to do, whatever it printed
            value = value if value is not None and isfinite(value) else None
        elif value is None:
            reason = without_value(job, metric, exit)
        elif not isfinite(value):
            reason, value = f"the last value of the objective metric {metric!r} was {value}", None
        model, charged = ("", None) if exit is None else (exit.model or "", exit.charged)
        result = status, value, secondary, reason[:1024], retryable, model, charged
        self._emit(ev.TrialEnded(now, job.number, *result))

    def _conclude(self) -> None:
        """Test what ends the whole job; emit its end once nothing runs any more."""
        state, limits = self.state, self.config.limits
        if state.criterion != STOP_REQUESTED and self._to_end:
            self._stop_job(STOP_REQUESTED)
        if not state.criterion:
            met = self._completion()
            if met:
                self._stop_job(met)
            elif (
                limits.max_runtime_seconds is not None
                and self._clock() - state.created - state.idle >= limits.max_runtime_seconds
            ):
                self._stop_job(MAX_RUNTIME)
        if state.running:
            return
        if state.criterion:
            self._end_job(state.criterion)
        elif hopeless(self.state):
            self._end_job(NO_SUCCESS)
        elif limits.max_jobs is not None and state.launched >= limits.max_jobs:
            self._end_job(MAX_JOBS)
        elif self._exhausted:
            self._end_job(EXHAUSTED)

    def _completion(self) -> str:
        """The completion criterion that holds, "" if none does. Convergence is recorded when it is seen."""
        criteria, state = self.config.completion, self.state
        looking = criteria.complete_on_convergence is not None and state.converged is None
        if looking and self._convergence.holds(self._tuner.history):
            self._emit(ev.ConvergenceDetected(self._clock()))
        best = None if state.best is None else state.best.value
        met = criteria.without(state.set_aside).met
        return met(state.objective, best, state.longest_not_improving, state.converged is not None)

    def _stop_job(self, criterion: str) -> None:
        self._emit(ev.JobStopRequested(self._clock(), criterion))
        for job in list(self.state.running.values()):
            if job.live and job.stop_reason in ("", StopReason.INTERRUPTED):
                self._decide_stop(job, StopReason.JOB)
        self._settle()

    def _end_job(self, criterion: str) -> None:
        status, reason = JobStatus.COMPLETED, ""
        if criterion == STOP_REQUESTED:
            status = JobStatus.STOPPED
        elif self.config.alone:  # its training job says more
            status = JobStatus.FAILED if self.state.jobs[1].status is TrialStatus.FAILED else status
        elif criterion == NO_SUCCESS or all_failed(self.state):
            status = JobStatus.FAILED
            failed = self.state.objective_counters["Failed"]
            last = next(
                (job.failure_reason for job in reversed(self.state.jobs.values()) if job.failure_reason), ""
            )
            reason = f"no training job succeeded after {counted(failed, 'attempt')}" + (
                f"; the last one: {last}" if last else ""
            )
        self._emit(ev.JobEnded(self._clock(), str(status), criterion, reason[:1024]))

    def _launch(self) -> None:
        """Fill free slots: first trials that were interrupted or lost, then new ones."""
        state, limits = self.state, self.config.limits
        if self._interrupting or state.criterion or state.status.ended:
            return
        for number in sorted(self._idle):
            attempt = state.running[number].attempt + 1
            self._emit(ev.AttemptCreated(self._clock(), number, attempt))
        free = self.parallel - len(state.running)
        if limits.max_jobs is not None:
            free = min(free, limits.max_jobs - state.launched)
        if free <= 0 or self._exhausted or hopeless(self.state):
            return
        proposals = self._tuner.propose(free)
        self._exhausted = len(proposals) < free
        for proposal in proposals:
            now = self._clock()
            name = training_job_name(self.config.name, proposal.number, self.config.seed or 0, state.created)
            self._emit(ev.TrialCreated(now, proposal.number, proposal.config, name, proposal.definition))
            self._emit(ev.AttemptCreated(now, proposal.number, 1))

    # -- recording, then acting

    def _commit_and_act(self) -> bool:
        """One transaction, then stops and submissions. An append that fails has no other effect."""
        events, self._events = self._events, []
        self._check()
        if events:
            self._boundary("before-commit")
            self._storage.append(self._lease, events, self.state.summary())
            self._boundary("after-commit")
            self.observe(events)
        for event in events:
            if isinstance(event, ev.AttemptCreated) and event.number in self.state.running:
                self._submit(self.state.running[event.number])
        self._act()
        return bool(events or self._events or self._reader.behind)

    def _act(self) -> None:
        """Make the calls to the executor that are due. An attempt that it cannot start is lost."""
        for key, reason in self._attempts.act():
            job = self.state.running[self._numbers.pop(key)]
            ended = self._clock(), job.number, job.attempt, AttemptOutcome.LOST
            self._emit(ev.AttemptEnded(*ended, None, reason, job.resumed))

    def _submit(self, job: TrainingJob) -> None:
        definition = self.config.definition_of(job.definition)
        hyperparameters = {**definition.hyperparameters, **definition.space.format(job.config)}
        if definition.objective != NO_OBJECTIVE:
            hyperparameters[OBJECTIVE_METRIC_KEY] = definition.objective.metric
        key = _key(job)
        self._numbers[key] = job.number
        self._reader.follow(key, self._definitions[definition.name], job.cursor)
        self._attempts.submit(
            Submission(
                job.name,
                job.attempt,
                hyperparameters,
                definition,
                self.parallel,
                job.ran,
                job.cursor,
                self._identity,
            )
        )


def _key(job: TrainingJob) -> AttemptKey:
    return AttemptKey(job.name, job.attempt)
