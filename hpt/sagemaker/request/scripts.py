"""Whether the entry point of script mode can run here: asked at the check of a job, where it is certain to
fail (I/O).
"""

from __future__ import annotations

import posixpath
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hpt.errors import InputError
from hpt.host import interpreter, requirements
from hpt.job.catalog import find_algorithm
from hpt.job.draft import DraftDefinition
from hpt.job.program_kind import PROGRAM_KEY, SOURCE_KEY, ProgramKind, program_of
from hpt.job.uris import is_image

_LARGEST = 1 << 24
"""Bytes of a file that is read of an archive."""

_COMMANDS = ("micromamba", "mamba", "conda")


def name_local_programs(request: Mapping[str, Any], base_dir: str) -> dict[str, Any]:
    """A valid request in which images that are bare relative paths of programs say so, as `./bin/train`.

    Beside script mode `bin/train` may be an image as well; a program that is there wins. The names of
    built-in algorithms stay.
    """
    changed = dict(request)
    for member in ("TrainingJobDefinition", "TrainingJobDefinitions"):
        body = changed.get(member)
        if isinstance(body, Mapping):
            changed[member] = _named(body, base_dir)
        elif isinstance(body, list):
            changed[member] = [_named(each, base_dir) for each in body]
    return changed


def _named(body: Mapping[str, Any], base_dir: str) -> Mapping[str, Any]:
    specification = body.get("AlgorithmSpecification", {})
    image = str(specification.get("TrainingImage", ""))
    kind = program_of(image, body.get("StaticHyperParameters", {})).kind
    if kind is not ProgramKind.SCRIPT or is_image(image) or find_algorithm(image) or "\0" in image:
        return body
    if not image or not Path(base_dir, image).is_file():
        return body
    return {**body, "AlgorithmSpecification": {**specification, "TrainingImage": f"./{image}"}}


def bad_interpreter(definition: DraftDefinition) -> str | None:
    """Why the interpreter that `HPT_PYTHON` names cannot be used, with the fix; None if it can."""
    if not interpreter.is_named(definition.environment):
        return None
    try:
        interpreter.inspect(interpreter.choose(definition.environment))
    except InputError as error:
        return str(error)
    return None


def cannot_run(definition: DraftDefinition, source: str) -> Iterator[tuple[str, str]]:
    """What is certain to fail: the hyperparameter that names it, and the problem with its fix.

    Parameters
    ----------
    definition
        In script mode, with an interpreter that works.
    source
        The absolute path of the folder or archive.

    Yields
    ------
    tuple
        The key of a hyperparameter and a sentence.
    """
    entry = definition.program.entry
    if Path(entry).is_absolute() or ".." in entry.split("/"):
        yield PROGRAM_KEY, f"{entry!r} leads out of the source; name the script within it"
        return
    try:
        with _opened(source, entry) as folder:
            yield from _problems(definition, folder, entry)
    except (tarfile.TarError, EOFError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, tarfile.ReadError):  # which has a line for each way in which it was tried
            reason = "it is no whole archive"
        yield SOURCE_KEY, f"{source} cannot be read ({reason}); give a folder or a .tar.gz"


def _problems(definition: DraftDefinition, folder: str, entry: str) -> Iterator[tuple[str, str]]:
    path = Path(folder, entry)
    project = not entry.endswith(".sh") and Path(folder, "setup.py").exists()
    if not project and not path.is_file():
        what = "is a folder" if path.is_dir() else "is not in the source"
        yield PROGRAM_KEY, f"{entry!r} {what}; name the script within {definition.program.source}"
        return
    if not project and not entry.endswith(".py"):
        return  # a command: nothing is installed for it
    python = interpreter.choose(definition.environment)
    if path.is_file() and (error := interpreter.syntax_error(str(path), entry, python)):
        yield PROGRAM_KEY, error
    name = requirements.find(folder)
    conda = name in requirements.CONDA
    if name is None or (conda and (project or interpreter.is_named(definition.environment))):
        return
    try:
        requirements.read(folder, name)
    except requirements.RequirementsError as error:
        yield SOURCE_KEY, f"what the source asks for cannot be installed: {error}"
    if conda and not any(map(shutil.which, _COMMANDS)):
        yield (
            SOURCE_KEY,
            f"the source has an {name}, and none of {', '.join(_COMMANDS)} is on the PATH; install one, name "
            f"an interpreter as {interpreter.VARIABLE} in Environment, or give a requirements.txt",
        )


@contextmanager
def _opened(source: str, entry: str) -> Iterator[str]:
    """The source as a folder; of an archive, the entry point and the files at the top alone."""
    if Path(source).is_dir():
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="hpt-") as folder, tarfile.open(source) as tar:
        for member in tar:
            name = posixpath.normpath(member.name).lstrip("/")
            if name.startswith(".."):
                raise tarfile.TarError(f"its entry {member.name!r} leads out of the folder")
            if hasattr(tarfile, "data_filter"):
                tarfile.data_filter(member, folder)  # of links, too
            if not member.isfile() or member.size > _LARGEST:
                continue
            if name == posixpath.normpath(entry) or "/" not in name or name.endswith(".txt"):
                place = Path(folder, name)
                place.parent.mkdir(parents=True, exist_ok=True)
                opened = tar.extractfile(member)
                assert opened is not None  # a file
                with opened, place.open("wb") as file:
                    shutil.copyfileobj(opened, file)
        yield folder
