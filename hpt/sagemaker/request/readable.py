"""Whether a built-in algorithm can read the channels of a job: asked where it is certain to fail."""

from __future__ import annotations

from collections.abc import Iterator

from hpt.errors import Violation
from hpt.job.catalog import BuiltInAlgorithm
from hpt.job.config import NO_OBJECTIVE
from hpt.job.draft import DraftDefinition
from hpt.job.naming import Naming, Place
from hpt.job.rules import INVALID


def unreadable(
    algorithm: BuiltInAlgorithm, definition: DraftDefinition, number: int, naming: Naming
) -> Iterator[Violation]:
    """A violation for each channel that is missing, and each content type that the program cannot read.

    Parameters
    ----------
    algorithm
        What is trained.
    definition, number
        The definition, and its number in the job, from 0.
    naming
        What the author of the job calls its parts.
    """
    names = [channel.name for channel in definition.channels]
    given = f"(channels given: {', '.join(names) or 'none'})"
    inputs = naming.path(Place("input_data", number))
    if not set(algorithm.train_channels) & set(names):
        message = f"{algorithm.name} needs a channel {algorithm.train_channels[0]!r} {given}; add it"
        yield Violation(INVALID, inputs, "data", message)
    objective = "" if definition.objective == NO_OBJECTIVE.metric else definition.objective or ""
    needed, colon, _ = objective.partition(":")
    if colon and needed not in (*names, *algorithm.train_channels):
        message = f"the objective {definition.objective!r} needs a channel {needed!r} {given}; add it"
        yield Violation(INVALID, inputs, "data", message)
    read = {*algorithm.train_channels, "validation", "test"}
    for i, channel in enumerate(definition.channels):
        if channel.name in read:
            reason = algorithm.cannot_read(channel.content_type or "")
            if reason is not None:
                path = naming.path(Place("content_type", number, i, channel.name))
                yield Violation(INVALID, path, "data", reason)
            if channel.record_wrapper != "None":
                path = naming.path(Place("record_wrapper", number, i, channel.name))
                message = f"{channel.record_wrapper!r}: {algorithm.name} reads rows, not records; use None"
                yield Violation(INVALID, path, "data", message)
