"""What is stored of a tuning job, read and checked: its configuration, its state, its notes.

A database that was damaged, or edited, can hold anything. Whoever reads a job reads it here, so that its
damage is an error about that one job, whatever it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hpt.job.config import JobConfig
from hpt.job.document import from_document
from hpt.job.state import JobState
from hpt.search import events as ev
from hpt.search.stored import damaged, reading


def read_config(name: str, document: Mapping[str, Any]) -> JobConfig:
    """The configuration of the stored job of that name.

    Raises:
        StorageError: it was written by a newer version, or is damaged.
    """
    with reading("the stored tuning job"):
        config = from_document(document)
        if config.name.lower() != name.lower():
            raise damaged(f"the stored description is that of the job {config.name!r}")
    return config


def read_state(config: JobConfig, created: float, events: Iterable[ev.Event]) -> JobState:
    """The state of a job, the fold of its events.

    Raises:
        StorageError: the events do not fit the job, or each other.
    """
    state = JobState(config.objective_type, created)
    apply_events(config, state, events)
    return state


def apply_events(config: JobConfig, state: JobState, events: Iterable[ev.Event]) -> None:
    """Apply further events to the state of a job. Raises as `read_state`; then the state is useless."""
    with reading("the event log"):
        for event in events:
            if isinstance(event, ev.TrialCreated):
                if event.number != state.launched + 1:
                    raise damaged(f"the event log creates trial {event.number} after {state.launched} trials")
                config.definition_of(event.definition).space.validate(event.config)
            state.apply(event)
