"""The live display on a terminal: best so far, counters, running training jobs, time left."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hpt.host.terminal import printable
from hpt.running.progress import duration, hyperparameters, number, outcome, time_left
from hpt.running.runner import TuningJobRunner
from hpt.search import events as ev

RECENT = 5
MOST_RUNNING = 12
REFRESH_SECONDS = 0.25


class LiveProgress:
    """Redraws a few times a second, on stderr, so that stdout stays free for the result."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._recent: deque[str] = deque(maxlen=RECENT)
        self._drawn = 0.0

    def update(self, runner: TuningJobRunner, events: Sequence[ev.Event]) -> None:
        for event in events:
            if isinstance(event, ev.TrialEnded):
                self._recent.append(outcome(runner, runner.state.jobs[event.number]))
        self.tick(runner)

    def tick(self, runner: TuningJobRunner) -> None:
        if time.monotonic() - self._drawn < REFRESH_SECONDS:
            return
        self._drawn = time.monotonic()
        if not self._live.is_started:
            self._live.start()
        self._live.update(self.render(runner, time.time()), refresh=True)

    def say(self, message: str, /) -> None:
        self._console.print(Text(f"hpt: {printable(message)}"))  # above the display, and stays

    def close(self) -> None:
        if self._live.is_started:
            self._live.stop()

    def render(self, runner: TuningJobRunner, now: float) -> Group:
        """The whole display at time `now`."""
        state, config = runner.state, runner.config
        total = config.limits.max_jobs
        metrics = {each.name: each.objective.metric for each in config.all_definitions}
        column = config.definition.objective.metric if len(set(metrics.values())) == 1 else "objective"
        ended = state.launched - len(state.running)
        left = time_left(runner, now)
        head = Table.grid(padding=(0, 2))
        head.add_row(
            Text(config.name, style="bold"),
            f"{ended}/{total}" if total else f"{ended}",
            ProgressBar(total=total or max(1, state.launched), completed=ended, width=30),
            duration(now - state.created) + ("" if left is None else f", about {duration(left)} left"),
        )
        counters = "  ".join(f"{name} {count}" for name, count in state.training_counters.items() if count)
        best = "none yet"
        if state.best is not None:
            values = hyperparameters(state.best.config, 80)
            metric = config.definition_of(state.best.definition).objective.metric
            best = f"{metric} {number(state.best.value)}  {state.best.name}  {values}"
        lines: list[RenderableType] = [
            head,
            Text(counters, style="dim"),
            Text.assemble(("best  ", "bold green"), best),
        ]
        running = Table(
            "running", "status", "time", escape(column), "hyperparameters", box=None, header_style="dim"
        )
        for job in list(state.running.values())[:MOST_RUNNING]:
            last = job.metrics.get(config.definition_of(job.definition).objective.metric)
            since = duration(now - (job.training_start or job.created))
            value = number(last[0]) if last else "-"
            name = job.name if job.definition is None else f"{job.name} ({job.definition})"
            running.add_row(name, job.secondary, since, value, Text(hyperparameters(job.config, 60)))
        more = len(state.running) - MOST_RUNNING
        if more > 0:
            running.add_row(f"and {more} more", "", "", "", "")
        recent = [Text(line, style="dim", overflow="ellipsis", no_wrap=True) for line in self._recent]
        return Group(*lines, running, *recent)
