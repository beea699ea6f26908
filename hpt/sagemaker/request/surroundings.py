"""Checks the programs, data and URIs of a request on this machine (I/O)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from stat import S_ISDIR

from hpt.errors import InputError, Violation
from hpt.host import container_engine, manifests, namespace
from hpt.host.interpreter import VARIABLE
from hpt.job.catalog import ALGORITHMS, BuiltInAlgorithm
from hpt.job.draft import Draft, DraftChannel, DraftDefinition
from hpt.job.isolation import Containers, elsewhere, finds_paths, read_containers, runs_as_image, unusable
from hpt.job.naming import Naming, Place
from hpt.job.program_kind import ProgramKind
from hpt.job.rules import INVALID
from hpt.job.uris import is_image, is_s3, resolve_uri
from hpt.sagemaker.request.launchable import cannot_start
from hpt.sagemaker.request.readable import unreadable
from hpt.sagemaker.request.scripts import bad_interpreter, cannot_run

CheckS3 = Callable[[str], str | None]
"""Whether an `s3://` URI can be used: None, or the reason it cannot, with the fix."""


def _reporting_os_errors(check: Callable[..., str | None]) -> Callable[..., str | None]:
    """The check, which also reports errors of the system: a folder that may not be searched, a name that is
    too long. `shown` is the path itself unless another spelling is given.
    """

    @wraps(check)
    def answer(self: Surroundings, path: str, shown: str | None = None, *more: str) -> str | None:
        shown = path if shown is None else shown
        try:
            return check(self, path, shown, *more)
        except OSError as error:
            return (
                f"{shown} cannot be accessed ({error.strerror}); correct the path, or the permissions of the "
                "folders above it"
            )

    return answer


def _mode(path: str | Path) -> int | None:
    """The mode of a path; None if it does not exist. `Path.exists` hides errors of access."""
    try:
        return Path(path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # the last: no path holds a null byte
        return None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Each method returns None if the path is usable, else the problem and the fix, with the path spelled as
    `shown`.

    check_s3: None leaves `s3://` URIs unchecked.
    """

    check_s3: CheckS3 | None = None

    @_reporting_os_errors
    def program(self, path: str, shown: str, python: str = "") -> str | None:
        program, mode = Path(path), _mode(path)
        if mode is None:
            return f"{shown} does not exist; correct the path (relative ones start at the job file)"
        if S_ISDIR(mode):
            return f"{shown} is a folder; name the program in it"
        if not os.access(program, os.R_OK):
            return f"{shown} may not be read; change its permissions"
        if program.suffix != ".py" and not os.access(program, os.X_OK):
            return f"{shown} is neither executable nor a .py file; make it executable"
        return cannot_start(program, shown, python)

    def library(self, algorithm: BuiltInAlgorithm) -> str | None:
        if find_spec(algorithm.library) is None:
            return f"{algorithm.library} is not installed; it comes with hpt[{algorithm.extra}]"
        return None

    def image(self, image: str) -> tuple[str, dict[str, str]] | None:
        """The problem with facts beside it, as an image that is missing can be fetched."""
        return container_engine.cannot_run(image, os.environ)

    def local_path(self, path: str) -> str | None:
        """Of a program that runs on this host, and is to see its checkpoints there."""
        return namespace.cannot_bind(path)

    @_reporting_os_errors
    def data(self, uri: str, shown: str) -> str | None:
        if uri.startswith("s3://"):
            return self.check_s3(uri) if self.check_s3 is not None else None
        mode = _mode(uri)
        if mode is None:
            return f"{shown} does not exist; correct the path (relative ones start at the job file)"
        if not os.access(uri, os.R_OK | os.X_OK if S_ISDIR(mode) else os.R_OK):
            return f"{shown} may not be read; change its permissions"
        return None

    def manifest(self, uri: str, shown: str, channel: DraftChannel) -> str | None:
        """As the others, of what a manifest lists; None of any other data, and of manifests on S3."""
        if channel.data_type == "S3Prefix" or uri.startswith("s3://"):
            return None
        try:
            data = Path(uri).read_bytes()
            if channel.data_type == "ManifestFile":
                listed = [place for place, _ in manifests.objects(data, uri)]
            else:
                records = manifests.records(data, uri, channel.attribute_names)
                listed = [part for record in records for part in record if isinstance(part, str)]
        except OSError as error:
            return f"{shown} cannot be read: {error.strerror}; correct the path"
        except manifests.ManifestError as error:
            return str(error)
        absent = manifests.missing(listed)
        if not absent:
            return None
        others = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        return f"{absent[0]}{others}, which {shown} lists, cannot be read; correct the manifest"

    @_reporting_os_errors
    def destination(self, uri: str, shown: str) -> str | None:
        if uri.startswith("s3://"):
            bucket = "/".join(uri.split("/")[:3])  # the prefix is still to be written
            return self.check_s3(bucket) if self.check_s3 is not None else None
        path, mode = Path(uri), _mode(uri)
        if mode is not None and not S_ISDIR(mode):
            return f"{shown} is a file; name a folder"
        while mode is None:
            path = path.parent
            mode = _mode(path)
        if not S_ISDIR(mode) or not os.access(path, os.W_OK | os.X_OK):
            above = str(path) if shown.startswith(str(path)) else "the folder above it"
            return f"{shown} cannot be created: {above} is not a writable folder; give another path"
        return None


def missing(
    draft: Draft, naming: Naming, surroundings: Surroundings, *, base_dir: str = "/", home: str = "/"
) -> Iterator[Violation]:
    """Violations of programs, data and URIs that cannot be used, with the path that was tried as a fact.

    Parameters
    ----------
    draft
        The job.
    naming
        What its author calls its parts.
    surroundings
        The checks. With `check_s3`, only `s3://` URIs are checked, else only local paths.
    base_dir, home
        The folders of relative paths and of `~`.

    Returns
    -------
    iterator of Violation
        One for each path that cannot be used.
    """
    remote = surroundings.check_s3 is not None
    for number, definition in enumerate(draft.definitions):
        path = naming.path(Place("training_image", number))
        if not remote and _is_container(definition):
            if (found := surroundings.image(definition.training_image)) is not None:
                yield Violation(
                    INVALID, path, "program", f"{definition.training_image!r}: {found[0]}", found[1]
                )
        elif not remote and draft.paths:
            yield from _cannot_run(definition, path, surroundings, base_dir, home)
            yield from _script(definition, number, naming, base_dir, home)
            yield from _no_checkpoints_there(
                definition, naming.path(Place("checkpoint_local_path", number)), surroundings
            )
            if definition.algorithm is not None:
                yield from unreadable(definition.algorithm, definition, number, naming)
        for place, uri in definition.uris(number):
            tried = resolve_uri(uri, base_dir, home)
            if tried is None or is_s3(tried) != remote:
                continue
            reads = place.field in ("channels", "hyperparameters")
            check = surroundings.data if reads else surroundings.destination
            reason = check(tried, uri)
            if reason is None and place.field == "channels" and place.at is not None:
                reason = surroundings.manifest(tried, uri, definition.channels[place.at])
            if reason is not None:
                facts = {} if remote else {"tried": tried}
                rule = "s3" if remote else "path"
                yield Violation(INVALID, naming.path(place), rule, f"{uri!r}: {reason}", facts)


def _script(
    definition: DraftDefinition, number: int, naming: Naming, base_dir: str, home: str
) -> Iterator[Violation]:
    """Why the interpreter or the entry point of a program of the user's cannot run here."""
    program = definition.program
    if program.kind not in (ProgramKind.FILE, ProgramKind.SCRIPT):
        return
    if (reason := bad_interpreter(definition)) is not None:
        yield Violation(
            INVALID, naming.path(Place("environment", number, key=VARIABLE)), "program", reason, {}
        )
        return
    tried = resolve_uri(program.source, base_dir, home) if program.source and program.entry else None
    if tried is None or is_s3(tried) or not Path(tried).exists():
        return
    for key, reason in cannot_run(definition, tried):
        place = Place("hyperparameters", number, key=key)
        yield Violation(INVALID, naming.path(place), "program", reason, {"tried": tried})


def _cannot_run(
    definition: DraftDefinition, path: str, surroundings: Surroundings, base_dir: str, home: str
) -> Iterator[Violation]:
    """Why the training image cannot run here; nothing if it can or if the rules refuse it."""
    image, algorithm, kind = definition.training_image, definition.algorithm, definition.program.kind
    if algorithm is not None:
        reason = surroundings.library(algorithm)
        if reason is not None:
            yield Violation(INVALID, path, "program", f"{image!r}: {reason}", {"extra": algorithm.extra})
    elif image and kind is ProgramKind.FILE:
        tried = resolve_uri(image, base_dir, home) or image
        python = definition.environment.get(VARIABLE, "")
        reason = surroundings.program(tried, image, python)
        if reason is not None:
            known = f"built-in algorithms are {', '.join(each.name for each in ALGORITHMS)}"
            yield Violation(INVALID, path, "program", f"{image!r}: {reason}; {known}", {"tried": tried})


def _is_container(definition: DraftDefinition) -> bool:
    """Whether its image runs in a container; False for one that the rules refuse."""
    image = definition.training_image
    as_image = runs_as_image(definition.program.kind, image, _containers(definition))
    return bool(as_image) and is_image(image) and "://" not in image


def _containers(definition: DraftDefinition) -> str:
    try:
        return definition.containers or read_containers(definition.environment)
    except InputError:  # a rule of its own says so
        return Containers.AUTO


def _no_checkpoints_there(
    definition: DraftDefinition, path: str, surroundings: Surroundings
) -> Iterator[Violation]:
    """Why a program cannot see its checkpoints outside of `/opt/ml`, where it is to."""
    local, kind = elsewhere(definition.checkpoint_local_path), definition.program.kind
    if definition.checkpoint_uri is None or local is None or not finds_paths(kind):
        return
    if unusable(local) is None and (reason := surroundings.local_path(local)) is not None:
        yield Violation(
            INVALID,
            path,
            "path",
            f"{local!r} cannot be had for each training job alone: {reason}; use a path below /opt/ml, or an "
            "image that runs in a container",
        )
