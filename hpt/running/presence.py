"""Whether the programs, data and places of a job are there, asked before a job is created."""

from __future__ import annotations

from hpt.errors import ValidationError
from hpt.job.config import JobConfig
from hpt.job.draft import draft_of
from hpt.job.naming import field_naming
from hpt.running.s3_places import check_s3
from hpt.sagemaker.request.surroundings import Surroundings, missing


def check_places(config: JobConfig) -> None:
    """Look for what the definitions of a job name; last and only if all else is there, on S3.

    Raises:
        ValidationError: naming everything that cannot be used, with the reason and the fix.
    """
    draft, naming = draft_of(config), field_naming(bool(config.definitions))
    for surroundings in (Surroundings(), Surroundings(check_s3)):
        found = list(missing(draft, naming, surroundings))
        if found:
            raise ValidationError(found)
