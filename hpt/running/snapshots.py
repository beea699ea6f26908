"""The snapshots of a tuning job's programs: taken when it is created, compared when it goes on."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from hpt.errors import InputError, StorageError
from hpt.executors import snapshot
from hpt.executors.contract import is_remote, local_path
from hpt.executors.programs import Program, resolve
from hpt.executors.snapshot import Snapshot, Source
from hpt.job.config import JobConfig, TrainingJobDefinition
from hpt.job.plural import quantity

_NAMED = 5  # paths in a message
_MOST_READ = 1 << 20
_ABOVE = re.compile(
    r"__file__.*(?:\.parent\s*\.parent|\.parents\[[1-9]|pardir|\.\.)"
    r"|dirname\(.*dirname\(.*__file__"
    r"|(?:\$0|\$\{0\}|BASH_SOURCE).*\.\."
)
"""A line of Python or of a shell script that goes from the program's own path to a folder above its own."""


def take_all(config: JobConfig, root: Path, directory: Path) -> tuple[JobConfig, tuple[str, ...]]:
    """Take the snapshots of a new job; returns its configuration with their digests, and messages about them.

    Parameters
    ----------
    config
        The job.
    root
        The state directory.
    directory
        The job's own.

    Returns
    -------
    tuple
        The configuration and the messages.

    Raises
    ------
    InputError
        A program cannot be read.
    StorageError
        A snapshot cannot be written.
    """
    notes: dict[str, None] = {}
    definitions = []
    for definition in config.all_definitions:
        source = source_of(definition, root)
        if source is not None:
            taken = snapshot.take(source, directory / snapshot.PLACE)
            notes |= dict.fromkeys((*messages(source, taken.manifest), *_warnings(source, taken)))
            definition = replace(definition, snapshot=taken.digest)
        elif (remote := _remote_source(definition)) is not None:
            notes[
                f"{remote} is downloaded for each training job: what is changed there reaches the later ones"
            ] = None
        definitions.append(definition)
    several = tuple(definitions) if config.definitions else ()
    return replace(config, definition=definitions[0], definitions=several), tuple(notes)


def source_of(definition: TrainingJobDefinition, root: Path) -> Source | None:
    """What the snapshot of a definition's program is taken of; None for a program that is no file of the
    user's here: a built-in algorithm, a module, a program of the system, a source on S3.
    """
    program = _program(definition)
    if program is None or program.source is None or not program.in_code or is_remote(program.source):
        return None
    channels = [local_path(channel.uri) for channel in definition.channels if not is_remote(channel.uri)]
    results = [uri for uri in (definition.output_path, definition.checkpoint_uri) if uri is not None]
    return Source(
        program.source,
        program.command[-1],
        program.declared,
        shared=tuple(channels),
        excluded=(str(root), *(local_path(uri) for uri in results if not is_remote(uri))),
    )


def _program(definition: TrainingJobDefinition) -> Program | None:
    try:
        return resolve(definition.training_image, definition.hyperparameters, definition.environment)
    except InputError:  # each training job says why
        return None


def _remote_source(definition: TrainingJobDefinition) -> str | None:
    program = _program(definition)
    return program.source if program is not None and is_remote(program.source or "") else None


def stored(config: JobConfig, directory: Path) -> Iterator[tuple[TrainingJobDefinition, Snapshot | None]]:
    """The snapshot of each definition that has one; None where it cannot be read."""
    for definition in config.all_definitions:
        if definition.snapshot is not None:
            yield definition, snapshot.read(directory / snapshot.PLACE / definition.snapshot)


def require(config: JobConfig, directory: Path) -> None:
    """Raises StorageError where a snapshot of an unfinished job is missing or damaged."""
    for definition in config.all_definitions:
        if definition.snapshot is None:
            continue
        place = directory / snapshot.PLACE / definition.snapshot
        if not snapshot.is_whole(place):
            raise StorageError(
                f"the snapshot of the program of tuning job {config.name} is missing or damaged",
                path=str(place),
                fix="restore it from a backup, or start a new job",
            )


def changed_since(config: JobConfig, root: Path, directory: Path) -> list[str]:
    """Messages about programs that are no longer what a stored job took its snapshots of."""
    notes = []
    for definition, taken in stored(config, directory):
        source = source_of(definition, root)
        if taken is None or source is None:
            continue
        when = datetime.fromtimestamp(taken.manifest["taken"]).strftime("%Y-%m-%d %H:%M:%S")
        runs = f"tuning job {config.name} runs what it took at {when}"
        try:
            now = snapshot.look(source)
        except InputError as error:
            notes.append(f"{runs}, and that alone: {error}")
            continue
        if names := [*snapshot.changes(taken.manifest, now), *snapshot.changed_shared(taken.manifest)]:
            notes.append(
                f"the program or files beside it have changed since ({_listed(names)}): {runs}; for the "
                "program as it is now, choose another name"
            )
    return list(dict.fromkeys(notes))


def messages(source: Source, manifest: Mapping[str, Any]) -> Iterator[str]:
    """What the user must know about a snapshot: what is not copied, and what that means."""
    if manifest["alone"]:
        how = "shares" if source.declared else "runs without"
        yield (
            f"{source.entry} {how} the files beside it: {manifest['alone']}; move it into a folder of its "
            f"own, or list what it does not need in {source.folder.rstrip('/')}/.hptignore"
        )
    shared = [
        shown(path) + ("" if size is None else f" ({bytes_of(size)})")
        for path, _, size, why, _ in manifest["shared"]
        if "channel" not in why
    ]
    if shared:
        yield (
            f"{_listed(shared)} in {source.folder} {'is' if len(shared) == 1 else 'are'} shared by all "
            "training jobs, not copied: one that writes there changes it for all, and for you"
        )
    left = [f"{shown(path)} ({why})" for path, why in snapshot.unreadable(manifest)]
    if left:
        yield f"training jobs do not find {_listed(left)} beside {source.entry}"
    if manifest["changing"]:
        yield f"files in {source.folder} changed while the snapshot of the program was taken"


def _warnings(source: Source, taken: Snapshot) -> Iterator[str]:
    """Where the program may look for files elsewhere than in its own folder: its copy does not find them."""
    place = Path(source.folder) / source.entry
    beside = place.resolve().parent
    if place.is_symlink() and beside != place.parent.resolve():
        yield (
            f"{source.entry} is a link to a program in {beside}: training jobs run a copy of it beside the "
            f"files of {source.folder}, not of that folder"
        )
    try:
        with (taken.directory / snapshot.FILES / source.entry).open(encoding="utf-8") as file:
            lines = file.read(_MOST_READ).splitlines()
    except (OSError, ValueError):  # no text
        return
    number = next((number for number, line in enumerate(lines, 1) if _ABOVE.search(line)), None)
    if number is not None and not source.declared:
        folder, name = os.path.split(os.path.normpath(source.folder))
        yield (
            f"{source.entry}, line {number}, looks above its own folder, and training jobs run a copy of "
            "that folder alone: to take the one above, give the hyperparameters sagemaker_submit_directory: "
            f"{folder} and sagemaker_program: {name}/{source.entry}"
        )


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _NAMED
    head = ", ".join(map(shown, names[:_NAMED]))
    return f"{head} and {rest} more" if rest > 0 else head


def shown(path: str) -> str:
    """A path for people: bytes that are no UTF-8 and control characters are spelled out."""
    string = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in string)


def bytes_of(size: int) -> str:
    """`512 bytes`, `3.4 kB`, `1.2 GB`: powers of 1000."""
    if size < 1000:
        return quantity(size, "byte")
    value, units = float(size), iter(("kB", "MB", "GB", "TB", "PB", "EB"))
    unit = "bytes"
    while value >= 999.95:
        value, unit = value / 1000, next(units)
    return f"{value:.1f} {unit}"
