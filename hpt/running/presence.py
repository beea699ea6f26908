"""Whether the programs, data and places of a job are there, asked before a job is created."""

from __future__ import annotations

from hpt.errors import ValidationError
from hpt.job.config import JobConfig
from hpt.job.draft import draft_of
from hpt.job.naming import field_naming
from hpt.running.s3_places import check_s3
from hpt.sagemaker.request.surroundings import Surroundings, missing


def check_places(config: JobConfig) -> None:
    """Check that what the definitions of a job name exists. S3 is asked last, and only if all else is there.

    Raises:
        ValidationError: naming everything that cannot be used, with the reason and the fix.
    """
    draft, naming = draft_of(config), field_naming(bool(config.definitions))
    for surroundings in (Surroundings(), Surroundings(check_s3)):
        violations = list(missing(draft, naming, surroundings))
        if violations:
            raise ValidationError(violations)
