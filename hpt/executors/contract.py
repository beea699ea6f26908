"""The training directory: what a training program finds and leaves under `SAGEMAKER_BASE_DIR` (behaviour
16.2).

    input/config/*.json      hyperparameters, channels, hosts, where checkpoints go
    input/data/              the channels, see `channels.py`
    code/                    working directory of the program, see `prepare_code`
    checkpoints/             kept from attempt to attempt
    model/  output/data/  output/failure

Standard library only: the supervisor imports this.
"""

from __future__ import annotations

import json
import os

from hpt.executors import copies, hosts
from hpt.host.files import read_file
from hpt.host.private import open_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

CONTAINER_BASE = "/opt/ml"

FAILURE_LENGTH = 1024
"""Characters of `output/failure` that become the reason (behaviour 16.4)."""


DOWNLOADED_SOURCE = "input/source.tar.gz"
"""Where the transfer program puts a source archive, below the base."""

TRANSFER_REFUSED = 2
"""Exit code of the transfer program when the user can fix it: no such object, no access."""


class ContractError(Exception):
    """The training directory cannot be set up, for a reason that the user can fix; the message says which."""


def is_remote(uri: str) -> bool:
    return uri.startswith("s3://")


def local_path(uri: str) -> str:
    return uri.removeprefix("file://")


def prepare(base: str, spec: Mapping[str, Any]) -> None:
    """Build the training directory afresh; only `checkpoints/` of an earlier attempt stays.

    `input/data` stays empty: `hpt.executors.channels` fills it.

    Raises:
        ContractError: checkpoints cannot be kept where they should.
        OSError: the directory could not be written.
    """
    for name in ("input", "model", "output", "code"):
        remove(os.path.join(base, name))
    for name in ("input/config", "input/data", "model", "output/data", "output/intermediate", "code"):
        os.makedirs(os.path.join(base, name))
    _prepare_checkpoints(base, spec)
    _write_configuration(base, spec)


def prepare_function(base: str, spec: Mapping[str, Any]) -> None:
    """As `prepare`, of what concerns a function: it has no channels and gets its configuration otherwise.

    Raises:
        OSError: the directory could not be written.
    """
    for name in ("model", "output", "code"):
        remove(os.path.join(base, name))
    for name in ("model", "output/data", "code"):
        os.makedirs(os.path.join(base, name))
    _prepare_checkpoints(base, spec)


def remove(path: str) -> None:
    """Remove what is there, if anything is; of a link the link."""
    if not os.path.lexists(path):
        return
    import shutil

    if os.path.islink(path) or not os.path.isdir(path):
        os.unlink(path)
    else:
        shutil.rmtree(path)


def checkpoint_directory(base: str, spec: Mapping[str, Any]) -> str:
    """Where the program finds its checkpoints. A `LocalPath` under /opt/ml keeps its place below the base."""
    configured = os.path.normpath(spec["checkpoint_local_path"])
    if configured.startswith(CONTAINER_BASE + "/"):
        return os.path.join(base, configured[len(CONTAINER_BASE) + 1 :])
    return os.path.join(base, "checkpoints")


def checkpoint_store(base: str, spec: Mapping[str, Any]) -> str:
    """Where the checkpoints lie on this host: below a local URI, else where the program finds them."""
    if "shared_checkpoints" in spec:
        return str(spec["shared_checkpoints"])
    uri = spec["checkpoint_uri"]
    if uri is None or is_remote(uri):
        return checkpoint_directory(base, spec)
    place = local_path(uri)
    return place if spec.get("own_checkpoints") else os.path.join(place, spec["name"])


def _prepare_checkpoints(base: str, spec: Mapping[str, Any]) -> None:
    """A local checkpoint URI is linked in, one directory below it for each training job (behaviour 11.3)."""
    directory = checkpoint_directory(base, spec)
    uri = spec["checkpoint_uri"]
    if "shared_checkpoints" in spec:  # of the first of several hosts
        os.makedirs(os.path.dirname(directory), exist_ok=True)
        replace_by_link(directory, spec["shared_checkpoints"])
        return
    if uri is None or is_remote(uri):
        os.makedirs(directory, exist_ok=True)
        return
    target = checkpoint_store(base, spec)
    try:
        os.makedirs(target, exist_ok=True)
    except (NotADirectoryError, PermissionError, FileExistsError) as error:
        raise ContractError(
            f"checkpoints cannot be kept in {target}: {error.strerror}; change CheckpointConfig"
        ) from None
    os.makedirs(os.path.dirname(directory), exist_ok=True)
    if not os.path.islink(directory):
        replace_by_link(directory, target)


def replace_by_link(path: str, target: str) -> None:
    """Put a link in the place of what is there, if anything is."""
    remove(path)
    os.symlink(target, path)


def input_data_config(spec: Mapping[str, Any]) -> dict[str, Any]:
    channels = {}
    for channel in spec["channels"]:
        stream = channel["input_mode"] == "Pipe"
        entry = {
            "TrainingInputMode": "Pipe" if stream else "File",  # FastFile too: programs need not know
            "S3DistributionType": channel["distribution"],
            "RecordWrapperType": channel["record_wrapper"],
        }
        if channel["content_type"]:
            entry["ContentType"] = channel["content_type"]
        channels[channel["name"]] = entry
    return channels


def _write_configuration(base: str, spec: Mapping[str, Any]) -> None:
    contents = {
        "hyperparameters": spec["hyperparameters"],
        "inputdataconfig": input_data_config(spec),
        "resourceconfig": hosts.resource_config(spec),
        "checkpointconfig": {"LocalPath": checkpoint_directory(base, spec)},
    }
    for name, content in contents.items():
        path = os.path.join(base, "input/config", f"{name}.json")
        with open(path, "w", encoding="utf-8", opener=open_private) as file:
            file.write(json.dumps(content))


def prepare_code(
    base: str, source: str | None, entry: str, *, declared: bool, snapshot: str | None = None
) -> dict[str, Any] | None:
    """Fill `code/`, the working directory of the program, with copies of the program and its files.

    As in a container, a program runs in a directory of its own that holds the files lying beside it: it can
    read them by relative paths, and what training jobs write there does not collide.

    Parameters
    ----------
    base
        The training directory.
    source
        The folder or archive that holds the program; None if it has none, as a program of the system.
    entry
        The path of the program within it.
    declared
        The user named the source; otherwise it is the folder where the program lies.
    snapshot
        The stored snapshot of it; None for a job without one, whose source is read as it is now.

    Returns
    -------
    dict or None
        The manifest of the copies, for `clear`; None if there are none.

    Raises
    ------
    ContractError
        The source is missing or is no archive, or an entry would leave the directory.
    SnapshotError
        The snapshot is missing or damaged.
    """
    code = os.path.join(base, "code")
    if snapshot is not None:
        manifest = _manifest(snapshot)
        files = f"{snapshot}/files"
        copies.fill(code, manifest, (f"{files}/{row[0]}" for row in manifest["files"]))
        return manifest
    if source is None:
        return None
    if os.path.isdir(source):
        return _copy_of(source, code, entry, declared=declared)
    if not declared:
        raise ContractError(f"the program's directory {source} is not found; correct TrainingImage")
    if not os.path.isfile(source):
        raise ContractError(f"the program's source {source} is not found; correct sagemaker_submit_directory")
    unpack(source, code)
    return _selected(code, entry, declared=True, everything=True)[0]


def _manifest(snapshot: str) -> dict[str, Any]:
    try:
        with open(f"{snapshot}/manifest.json", "rb") as file:
            manifest: dict[str, Any] = json.loads(file.read())
    except (OSError, ValueError) as error:
        raise copies.SnapshotError(
            f"the snapshot of the program in {snapshot} cannot be read: {error}"
        ) from None
    return manifest


def _copy_of(source: str, code: str, entry: str, *, declared: bool) -> dict[str, Any]:
    manifest, origins = _selected(source, entry, declared=declared)
    copies.fill(code, manifest, origins, exact=False)
    return manifest


def _selected(
    source: str, entry: str, *, declared: bool, everything: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """The manifest of what is taken of a folder as it is now, and where its files are read."""
    from hpt.executors.selection import ProgramMissingError, select  # jobs with a snapshot do without

    try:
        selection = select(source, entry, declared=declared, everything=everything)
    except ProgramMissingError as error:
        raise ContractError(str(error)) from None
    return {
        "mode": selection.mode,
        "folders": selection.folders,
        "files": [(each.path, each.mode, each.size, each.time) for each in selection.files],
        "links": selection.links,
        "shared": [(each.path, each.target) for each in selection.shared],
    }, [each.origin for each in selection.files]


def unpack(archive: str, directory: str) -> None:
    """Unpack a tar archive, refusing entries that would land outside of `directory`.

    Raises:
        ContractError: it is no readable archive or holds such an entry.
    """
    import tarfile

    try:
        with tarfile.open(archive) as tar:
            if hasattr(tarfile, "data_filter"):
                tar.extractall(directory, filter="data")
                return
            for member in tar.getmembers():
                target = os.path.realpath(os.path.join(directory, member.name))
                inside = target == directory or target.startswith(os.path.realpath(directory) + os.sep)
                if not inside or not (member.isfile() or member.isdir()):
                    raise ContractError(
                        f"{archive}: entry {member.name!r} leaves the directory; pack plain files only"
                    )
                tar.extract(member, directory)
    except (tarfile.TarError, EOFError) as error:
        raise ContractError(f"{archive} cannot be unpacked: {error}") from None


def holds_files(path: str) -> bool:
    try:
        return bool(os.listdir(path))
    except OSError:
        return False


def failure_text(base: str) -> str:
    """What the program wrote into `output/failure`: the first 1024 characters, or nothing.

    It is read only as a file of the training directory: neither what would block (a FIFO, a device) nor what
    a link leads to elsewhere.
    """
    path = os.path.join(base, "output/failure")
    if not os.path.realpath(path).startswith(os.path.realpath(base) + os.sep):
        return ""
    try:
        text = read_file(path, 4 * FAILURE_LENGTH).decode("utf-8", "replace")
    except OSError:
        return ""
    return text.strip()[:FAILURE_LENGTH]
