"""What a tuning job is and how it stands. What users need to describe one is imported from here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpt.job.build import Algorithm as Algorithm
    from hpt.job.build import tuning_job as tuning_job
    from hpt.job.completion import CompletionCriteria as CompletionCriteria
    from hpt.job.config import Channel as Channel
    from hpt.job.config import EarlyStopping as EarlyStopping
    from hpt.job.config import HyperbandConfig as HyperbandConfig
    from hpt.job.config import JobConfig as JobConfig
    from hpt.job.config import MetricDefinition as MetricDefinition
    from hpt.job.config import Objective as Objective
    from hpt.job.config import ResourceLimits as ResourceLimits
    from hpt.job.config import TrainingJobDefinition as TrainingJobDefinition
    from hpt.job.resources import SlotResources as SlotResources
    from hpt.job.warm_start import WarmStart as WarmStart

_HOMES = {
    "hpt.job.build": ("Algorithm", "tuning_job"),
    "hpt.job.completion": ("CompletionCriteria",),
    "hpt.job.config": (
        "Channel",
        "EarlyStopping",
        "HyperbandConfig",
        "MetricDefinition",
        "Objective",
        "ResourceLimits",
        "TrainingJobDefinition",
        "JobConfig",
    ),
    "hpt.job.resources": ("SlotResources",),
    "hpt.job.warm_start": ("WarmStart",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'hpt.job' has no attribute {name!r}")
    value: object = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value
