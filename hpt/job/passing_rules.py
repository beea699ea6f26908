"""Rules about what can be handed to a training program: as arguments, as variables and as directories."""

from __future__ import annotations

import json
from collections.abc import Iterator

from hpt.job.draft import Draft, DraftDefinition
from hpt.job.naming import Naming, Place
from hpt.job.program_kind import ProgramKind
from hpt.job.search_rules import Broken

DEEPEST = 100
"""Levels of nesting of a static value that is JSON; decoders give up at about 1,000."""

LARGEST = 100_000
"""Bytes of a definition's hyperparameters as JSON. The system passes 131,072 bytes in one variable, and
`SM_TRAINING_ENV` holds all of them among other things."""


def names(draft: Draft, naming: Naming) -> Iterator[Broken]:
    """A hyperparameter becomes the argument `--NAME` and the variable `SM_HP_NAME`."""
    for number, definition in enumerate(draft.definitions):
        if definition.program.kind in (ProgramKind.FUNCTION, ProgramKind.MODULE):
            continue  # a function reads its hyperparameters from a file
        static = [(Place("hyperparameters", number, key=name), name) for name in definition.hyperparameters]
        tuned = [
            (Place("range_name", number, i, each.name), each.name)
            for i, each in enumerate(definition.ranges)
            if each.name  # a space refuses it otherwise
        ]
        for place, name in static + tuned:
            if not name:
                yield Broken(place, "'' cannot be passed to a program; name the hyperparameter")
            elif "=" in name:
                yield Broken(
                    place,
                    f"{name!r} cannot be passed to a program, since `=` ends the name of an argument and of "
                    "a variable; rename it",
                )


def values(draft: Draft, naming: Naming) -> Iterator[Broken]:
    for number, definition in enumerate(draft.definitions):
        for name, value in definition.hyperparameters.items():
            levels = nesting(value)
            if levels > DEEPEST:
                yield Broken(
                    Place("hyperparameters", number, key=name),
                    f"its value is nested {levels} levels deep, more than the {DEEPEST} that can be read; "
                    "flatten it, or put it into a file",
                )
        size = _size(definition)
        if size > LARGEST:
            yield Broken(
                Place("hyperparameters", number),
                f"they take {size} bytes, more than the {LARGEST} that can be passed to a program; put large "
                "values into a file",
            )


def nesting(string: str) -> int:
    """How deep the brackets of a JSON value are nested, 0 for anything else. Never recurses."""
    if not string.lstrip().startswith(("[", "{")):
        return 0
    levels = deepest = 0
    quoted = escaped = False
    for letter in string:
        if quoted:
            quoted = escaped or letter != '"'
            escaped = letter == "\\" and not escaped
        elif letter == '"':
            quoted = True
        elif letter in "[{":
            levels += 1
            deepest = max(deepest, levels)
        elif letter in "]}":
            levels -= 1
    return deepest


def _size(definition: DraftDefinition) -> int:
    """Bytes of the hyperparameters as JSON, each categorical one with its longest value."""
    size = sum(_length(name) + _length(value) + 2 for name, value in definition.hyperparameters.items())
    for parameter in definition.parameters:
        choices = getattr(parameter, "values", ())
        size += _length(parameter.name) + max([26, *(_length(str(choice)) for choice in choices)]) + 2
    return size


def _length(string: str) -> int:
    return len(json.dumps(string))


def channel_names(draft: Draft, naming: Naming) -> Iterator[Broken]:
    """A channel becomes a directory `input/data/NAME`."""
    for number, definition in enumerate(draft.definitions):
        for i, channel in enumerate(definition.channels):
            if channel.name in (".", ".."):
                yield Broken(
                    Place("channel_name", number, i, channel.name),
                    f"{channel.name!r} cannot name a directory of data; rename the channel",
                )
