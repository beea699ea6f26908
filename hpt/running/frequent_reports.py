"""Notices a program that reports its objective much more often than it has epochs."""

from __future__ import annotations

from hpt.errors import InputError
from hpt.job.config import JobConfig, TrainingJobDefinition
from hpt.job.draft import EPOCH_KEYS
from hpt.search.scaling import read_int

MUCH = 1.5
"""So many times as many reports as epochs are too many: some programs report before the first epoch too."""


class FrequentReports:
    """Where training jobs are compared at equal numbers of reports, these stand for epochs."""

    def __init__(self, config: JobConfig) -> None:
        self._config = config
        self._warned: set[str] = set()

    def warning(self, definition: TrainingJobDefinition, name: str, reports: int) -> str | None:
        """What to say of a training job of that name with so many reports; once for each metric."""
        metric = definition.objective.metric
        if reports < 3 or metric in self._warned:
            return None
        epochs = self._epochs(definition)
        if epochs is None or reports <= MUCH * epochs + 1:
            return None
        self._warned.add(metric)
        return (
            f"metric {metric!r} was reported {reports} times by {name}, which has {epochs} epochs: "
            "training jobs are compared by numbers of reports, so print it once an epoch"
        )

    def _epochs(self, definition: TrainingJobDefinition) -> int | None:
        """The number of epochs of a training job, if its reports are counted and it is known."""
        if self._config.hyperband is None and self._config.early_stopping is None:
            return None
        statics = definition.hyperparameters
        key = next((key for key in EPOCH_KEYS if key in statics), None)
        try:
            return None if key is None else read_int(statics[key], key)
        except InputError:
            return None
