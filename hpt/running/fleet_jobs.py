"""Hands tuning jobs to a fleet, and reads what its head copies of them."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpt.errors import InputError, JobExistsError, JobNotFoundError
from hpt.executors import snapshot
from hpt.executors.contract import is_remote, local_path
from hpt.executors.snapshot import Source
from hpt.fleet.ec2 import again, store
from hpt.fleet.ec2.again import Again
from hpt.fleet.ec2.store import Store
from hpt.fleet.ec2.wheel import sha256
from hpt.fleet.setting import CHOICE
from hpt.host.private import make_directories
from hpt.job.config import JobConfig, TrainingJobDefinition
from hpt.job.extension import extended, extension
from hpt.job.program_kind import ProgramKind, program_of
from hpt.job.recorded import read_config, read_state
from hpt.running.snapshots import source_of
from hpt.storage.database import DATABASE
from hpt.storage.sqlite import SQLiteStorage

_CHANNEL_MOST = 2 << 30
_SOURCE = "sagemaker_submit_directory"


@dataclass(frozen=True, slots=True)
class Handed:
    """name: of the job there. uploaded: how many archives and channels were not there yet."""

    name: str
    uploaded: int


def hand_over(
    files: Store, config: JobConfig, request: Mapping[str, Any], state: Path, *, version: str
) -> Handed:
    """Pack a job with its programs and local data, and put it where the fleet's head finds it.

    Parameters
    ----------
    files
        Of the fleet.
    config
        The job.
    request
        The request that it was read from, with its defaults.
    state
        The state directory, which is never packed.
    version
        Of this `hpt`.

    Returns
    -------
    Handed
        What was done.

    Raises
    ------
    InputError
        Something of it exists on this machine alone and cannot be packed.
    JobExistsError
        The fleet has a job of that name.
    """
    there = next((name for name in files.folders("jobs/") if name.lower() == config.name.lower()), None)
    if there is not None:
        raise JobExistsError(f"the fleet has a tuning job {there!r}; choose another name", name=there)
    if config.warm_start is not None:
        raise InputError(
            "WarmStartConfig: the parents lie in the state directory of this host, and the "
            "fleet's head has none "
            "of them; leave the warm start out, or run the job here"
        )
    packed = dict(deepcopy(dict(request)))
    packed["HyperParameterTuningJobName"] = config.name
    archives: list[dict[str, str]] = []
    uploaded = 0
    with tempfile.TemporaryDirectory(prefix="hpt-") as folder:
        bodies = packed.get("TrainingJobDefinitions") or [packed["TrainingJobDefinition"]]
        for body, definition in zip(bodies, config.all_definitions, strict=True):
            for source, folder_there in _program(body, definition, state):
                archive = _pack(source, Path(folder))
                sha = sha256(archive)
                key = f"code/{sha}.tar.gz"
                if not files.has(key):
                    files.upload(key, archive)
                    uploaded += 1
                if not any(each["folder"] == folder_there for each in archives):
                    archives.append({"sha256": sha, "folder": folder_there})
            uploaded += _upload_channels(body, definition, files)
            _places(body, definition, files, config.name)
    document = {"version": 1, "hpt": version, "request": packed, "archives": archives}
    if not files.put(f"jobs/{config.name}/request.json", json.dumps(document), new=True):
        raise JobExistsError(
            f"the fleet has a tuning job {config.name!r}; choose another name", name=config.name
        )
    return Handed(config.name, uploaded)


def _pack(source: Source, folder: Path) -> Path:
    taken = snapshot.take(source, folder / "job" / snapshot.PLACE)
    channels = {os.path.realpath(path) for path in source.shared}  # which are uploaded by themselves
    for path, target, *_ in taken.manifest.get("shared", ()):
        if os.path.realpath(target) not in channels:
            raise InputError(
                f"{path} is large, or leads out of the program's folder, and is not packed; put it on S3 "
                "and make it a channel, or name it in .hptignore"
            )
    target = folder / f"{taken.digest}.tar.gz"
    if not target.exists():
        snapshot.archive(taken, target)
    return target


def _program(
    body: dict[str, Any], definition: TrainingJobDefinition, state: Path
) -> list[tuple[Source, str]]:
    """What to pack of the program, and where it is to lie; the request then names that place."""
    program = program_of(definition.training_image, definition.hyperparameters)
    if program.kind in (ProgramKind.FUNCTION, ProgramKind.MODULE):
        raise InputError(
            f"TrainingImage {definition.training_image!r}: a {program.kind} of this host's Python "
            "is not on the "
            "fleet; name a script or a program"
        )
    source = source_of(definition, state)
    if source is None:
        if program.kind is ProgramKind.FILE and not is_remote(definition.training_image):
            raise InputError(
                f"TrainingImage {definition.training_image!r} is part of this host's system and "
                "is not packed; name "
                "a script beside the job file that calls it"
            )
        return []
    number = f"code/{hashlib.sha256(source.folder.encode()).hexdigest()[:16]}"
    if program.kind is ProgramKind.SCRIPT:
        members = body.setdefault("StaticHyperParameters", {})
        members[_SOURCE] = f"{number}/"
    else:
        body["AlgorithmSpecification"]["TrainingImage"] = f"{number}/{source.entry}"
    return [(source, number)]


def _upload_channels(body: dict[str, Any], definition: TrainingJobDefinition, files: Store) -> int:
    """Upload local data once, by its content; the request then names the place. Returns how many there were.

    Refused above a size, since every machine fetches it from there.
    """
    uploaded = 0
    for member, channel in zip(body.get("InputDataConfig", ()), definition.channels, strict=True):
        if is_remote(channel.uri):
            continue
        path = Path(local_path(channel.uri))
        if "S3DataSource" not in member["DataSource"]:
            raise InputError(
                f"channel {channel.name}: a file system of this host is not on the fleet; use S3"
            )
        found = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
        size = sum(each.stat().st_size for each in found)
        if size > _CHANNEL_MOST:
            raise InputError(
                f"channel {channel.name}: {path} has {size >> 20} MiB, above {_CHANNEL_MOST >> 20}; "
                "put it on S3 and name it s3://..."
            )
        above = path.parent if path.is_file() else path
        names = {str(each.relative_to(above)): sha256(each) for each in found}
        digest = hashlib.sha256(json.dumps(names, sort_keys=True).encode()).hexdigest()
        if not files.has(f"data/{digest}.complete"):
            for name in names:
                files.upload(f"data/{digest}/{name}", above / name)
            files.put(f"data/{digest}.complete", "")
            uploaded += 1
        inside = path.name if path.is_file() else ""
        member["DataSource"]["S3DataSource"]["S3Uri"] = f"{files.uri}data/{digest}/{inside}"
    return uploaded


def _places(body: dict[str, Any], definition: TrainingJobDefinition, files: Store, name: str) -> None:
    """Results and checkpoints go to S3, where they outlive the machines."""
    if not is_remote(definition.output_path or ""):
        body.setdefault("OutputDataConfig", {})["S3OutputPath"] = f"{files.uri}output/{name}"
    if definition.checkpoint_uri is not None and not is_remote(definition.checkpoint_uri):
        body["CheckpointConfig"]["S3Uri"] = f"{files.uri}checkpoints/{name}"


def read_copy(files: Store, name: str, place: Path) -> tuple[Path, str | None]:
    """Fetch the copy of a job; returns the state directory it was put into, and how it ended, None if it did
    not.

    place: a private directory of this host for the copies of this fleet.

    Raises:
        JobNotFoundError: the fleet has no such job. InputError: it has not begun, or ended before it did.
    """
    found = named(files, name)
    status = files.get_json(f"jobs/{found}/status.json")
    database = files.get(f"jobs/{found}/{DATABASE}")
    if database is None:
        if status is not None:
            raise InputError(
                f"tuning job {found} is {status['status']} and never began: "
                f"{status['reason'] or 'it was stopped'}"
            )
        raise InputError(
            f"tuning job {found} waits for the fleet's head, which has not begun it yet; look again"
        )
    directory = place / found.lower()
    make_directories(directory)
    for old in directory.glob(f"{DATABASE}-*"):
        old.unlink()
    for key in files.keys(f"jobs/{found}/{snapshot.PLACE}/"):  # what the snapshots hold, without their files
        manifest = directory / key.removeprefix(f"jobs/{found}/")
        make_directories(manifest.parent)
        manifest.write_bytes(files.get(key) or b"")
    executor = files.get(f"jobs/{found}/{CHOICE}")
    if executor is not None:
        (directory / CHOICE).write_bytes(executor)
    new = directory / "fetched"
    new.write_bytes(database)
    new.chmod(0o600)
    new.replace(directory / DATABASE)
    return place, None if status is None else str(status["status"])


def named(files: Store, name: str) -> str:
    """The name of a job of the fleet as it was given to it. Raises JobNotFoundError."""
    found = next((each for each in files.folders("jobs/") if each.lower() == name.lower()), None)
    if found is None:
        raise JobNotFoundError(f"the fleet has no tuning job {name!r}", name=name)
    return found


def leave_stop(files: Store, name: str) -> str:
    """Leave the word that a job is to stop; returns its name. Raises JobNotFoundError, or InputError."""
    found = named(files, name)
    status = files.get_json(f"jobs/{found}/status.json")
    if status is not None:
        raise InputError(f"tuning job {found} has ended ({status['status']}); there is nothing to stop")
    files.put(f"jobs/{found}/{store.STOP}", "")
    return found


def leave_again(files: Store, name: str, wanted: Again, place: Path, now: float) -> str:
    """Leave the word that a job is to go on, which has ended or was given up; returns its name.

    Parameters
    ----------
    files
        Of the fleet.
    name
        The job.
    wanted
        With which limits.
    place
        As `read_copy` takes it.
    now
        In seconds since the epoch.

    Returns
    -------
    str
        The name of the job.

    Raises
    ------
    JobNotFoundError
        The fleet has no such job.
    InputError
        It runs, it never began, it has nothing to go on with, or it goes on already.
    """
    found = named(files, name)
    status = files.get_json(f"jobs/{found}/status.json")
    if status is None:
        what = "stop it, or wait until it has ended" if wanted.extends else "there is nothing to resume"
        raise InputError(
            f"tuning job {found} has not ended, and the fleet's head goes on with it by itself; {what}"
        )
    root, _ = read_copy(files, found, place)
    with closing(SQLiteStorage(root)) as storage:
        record, events = storage.read(found)
    config = extended(read_config(record.name, record.document), events)
    state = read_state(config, record.created, events)
    if wanted.extends:
        extension(
            config,
            state,
            now,
            max_jobs=wanted.max_jobs,
            max_runtime_seconds=wanted.max_runtime_seconds,
            max_parallel_jobs=wanted.max_parallel_jobs,
        )
    elif state.status.ended:
        raise InputError(f"tuning job {found} has ended ({state.status}); there is nothing to resume")
    if not again.leave(files, found, wanted):
        raise InputError(f"tuning job {found} is about to go on; the fleet's head was asked for that before")
    return found
