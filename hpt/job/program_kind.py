"""What a training image is together with the static hyperparameters of its definition: the one place that
says it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from hpt.job.catalog import BuiltInAlgorithm, find_algorithm
from hpt.job.uris import MODULE_PREFIX, is_image, names_a_file

FUNCTION_WORKER = f"{MODULE_PREFIX}hpt.functions.worker"
"""The `TrainingImage` of `hpt.tune`."""

PROGRAM_KEY, SOURCE_KEY = "sagemaker_program", "sagemaker_submit_directory"
"""Static hyperparameters of script mode: the entry point, and the folder or archive that holds it."""


class ProgramKind(StrEnum):
    """What runs for a training image.

    FUNCTION: a Python function of `hpt.tune`. MODULE: `python -m` of a module that can import hpt. FILE: a
    program or script of this machine. SCRIPT: the entry point that script mode names, whatever the image.
    BUILT_IN: an algorithm of the catalogue. IMAGE: a container image.
    """

    FUNCTION = "function"
    MODULE = "module"
    FILE = "file"
    SCRIPT = "script"
    BUILT_IN = "built-in"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class TrainingProgram:
    """What runs for a training image, without a look at any file.

    algorithm: of BUILT_IN. entry, source: of SCRIPT, "" where its hyperparameter is missing.
    ignored_entry: the entry point of script mode that does not run, since the image is a program itself.
    """

    kind: ProgramKind
    algorithm: BuiltInAlgorithm | None = None
    entry: str = ""
    source: str = ""
    ignored_entry: str = ""

    @property
    def is_local(self) -> bool:
        """Whether the image itself names something of this machine."""
        return self.kind in (ProgramKind.FUNCTION, ProgramKind.MODULE, ProgramKind.FILE)


def program_of(
    image: str,
    hyperparameters: Mapping[str, str],
    *,
    paths: bool = True,
    find: Callable[[str], BuiltInAlgorithm | None] = find_algorithm,
) -> TrainingProgram:
    """What runs for a training image.

    The order decides: a program of this machine that the image names wins over script mode, and script mode
    over everything else that the image may mean, so that nothing of a built-in algorithm applies to an entry
    point that runs in its image. A bare relative path, as `bin/train`, is a file only without script mode;
    `./bin/train` always is.

    Parameters
    ----------
    image
        As written, or as stored.
    hyperparameters
        The static ones, or all of a training job.
    paths
        Whether local paths may stand for images; the service knows images by their URI only.
    find
        The built-in algorithm that an image names.

    Returns
    -------
    TrainingProgram
        Its kind and what belongs to it.
    """
    entry = unquoted(hyperparameters.get(PROGRAM_KEY, ""))
    if image.startswith(MODULE_PREFIX):
        kind = ProgramKind.FUNCTION if image == FUNCTION_WORKER else ProgramKind.MODULE
        return TrainingProgram(kind, ignored_entry=entry)
    if paths and names_a_file(image):
        return TrainingProgram(ProgramKind.FILE, ignored_entry=entry)
    if PROGRAM_KEY in hyperparameters:
        source = unquoted(hyperparameters.get(SOURCE_KEY, ""))
        return TrainingProgram(ProgramKind.SCRIPT, entry=entry, source=source)
    algorithm = find(image) if paths or "/" in image else None
    if algorithm is not None:
        return TrainingProgram(ProgramKind.BUILT_IN, algorithm)
    return TrainingProgram(ProgramKind.IMAGE if is_image(image) or not paths else ProgramKind.FILE)


def unquoted(string: str) -> str:
    """Framework estimators send strings as JSON within the map of strings: `"train.py"` with its quotes."""
    try:
        value = json.loads(string)
    except (ValueError, RecursionError):
        return string
    return value if isinstance(value, str) else string


def quoted_as(given: str, string: str) -> str:
    """`string` written as `given` is: as JSON or plainly."""
    return string if unquoted(given) == given else json.dumps(string)
