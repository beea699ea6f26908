"""The parts of a state directory that are state directories themselves."""

from __future__ import annotations

from pathlib import Path

TRAINING_JOBS = ".training"
"""The folder of the training jobs that belong to no tuning job."""


def is_of_training_jobs(root: Path) -> bool:
    """Whether a state directory is the part of another one in which training jobs by themselves are."""
    return root.name == TRAINING_JOBS


def whole(root: Path) -> Path:
    """The whole state directory of which this one may be a part."""
    return root.parent if is_of_training_jobs(root) else root
