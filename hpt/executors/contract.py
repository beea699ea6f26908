"""The training directory: what a training program finds and leaves under `SAGEMAKER_BASE_DIR` (behaviour
16.2).

    input/config/*.json      hyperparameters, channels, hosts, where checkpoints go
    input/data/<channel>     a link to the directory; a directory of links for a file or several; downloads
    code/                    working directory of the program, see `prepare_code`
    checkpoints/             kept from attempt to attempt
    model/  output/data/  output/failure

Standard library only: the supervisor imports this.
"""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

HOST = "algo-1"
NETWORK_INTERFACE = "lo"
INSTANCE_GROUP = "homogeneousCluster"
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

    Remote channels get an empty directory, to be filled by a download.

    Raises:
        ContractError: a channel's data is not there.
        OSError: the directory could not be written.
    """
    for name in ("input", "model", "output", "code"):
        _remove(os.path.join(base, name))
    for name in ("input/config", "input/data", "model", "output/data", "output/intermediate", "code"):
        os.makedirs(os.path.join(base, name))
    _prepare_checkpoints(base, spec)
    _write_configuration(base, spec)
    for channel in spec["channels"]:
        _link_channel(os.path.join(base, "input/data", channel["name"]), channel["name"], channel["uri"])


def prepare_function(base: str, spec: Mapping[str, Any]) -> None:
    """As `prepare`, of what concerns a function: it has no channels and gets its configuration otherwise.

    Raises:
        OSError: the directory could not be written.
    """
    for name in ("model", "output", "code"):
        _remove(os.path.join(base, name))
    for name in ("model", "output/data", "code"):
        os.makedirs(os.path.join(base, name))
    _prepare_checkpoints(base, spec)


def _remove(path: str) -> None:
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


def _prepare_checkpoints(base: str, spec: Mapping[str, Any]) -> None:
    """A local checkpoint URI is linked in, one directory below it for each training job (behaviour 11.3)."""
    directory = checkpoint_directory(base, spec)
    uri = spec["checkpoint_uri"]
    if uri is None or is_remote(uri):
        os.makedirs(directory, exist_ok=True)
        return
    target = os.path.join(local_path(uri), spec["name"])
    try:
        os.makedirs(target, exist_ok=True)
    except (NotADirectoryError, PermissionError, FileExistsError) as error:
        raise ContractError(
            f"checkpoints cannot be kept in {target}: {error.strerror}; change CheckpointConfig"
        ) from None
    os.makedirs(os.path.dirname(directory), exist_ok=True)
    if not os.path.islink(directory):
        _remove(directory)
        os.symlink(target, directory)


def resource_config(spec: Mapping[str, Any]) -> dict[str, Any]:
    group = {"instance_group_name": INSTANCE_GROUP, "instance_type": spec["instance_type"], "hosts": [HOST]}
    return {
        "current_host": HOST,
        "current_instance_type": spec["instance_type"],
        "current_group_name": INSTANCE_GROUP,
        "current_instance_group": INSTANCE_GROUP,
        "hosts": [HOST],
        "instance_groups": [group],
        "network_interface_name": NETWORK_INTERFACE,
    }


def input_data_config(spec: Mapping[str, Any]) -> dict[str, Any]:
    channels = {}
    for channel in spec["channels"]:
        entry = {
            "TrainingInputMode": channel["input_mode"],
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
        "resourceconfig": resource_config(spec),
        "checkpointconfig": {"LocalPath": checkpoint_directory(base, spec)},
    }
    for name, content in contents.items():
        with open(os.path.join(base, "input/config", f"{name}.json"), "w", encoding="utf-8") as file:
            file.write(json.dumps(content))


def _link_channel(place: str, name: str, uri: str) -> None:
    """Links, not copies: data sets are large, and trials only read them.

    A path that does not exist itself is taken as a prefix, as in S3: every file and directory beside it whose
    name begins with it belongs to the channel. A path that exists means itself alone.
    """
    if is_remote(uri):
        os.mkdir(place)
        return
    source = local_path(uri)
    if os.path.isdir(source):
        os.symlink(os.path.abspath(source), place)
        return
    parent, prefix = os.path.split(os.path.abspath(source))
    if os.path.isfile(source):
        matches = [prefix]
    else:
        try:
            matches = sorted(entry for entry in os.listdir(parent) if entry.startswith(prefix))
        except OSError:
            matches = []
    if not matches:
        raise ContractError(f"channel {name!r}: nothing is found at {source}; correct the channel's S3Uri")
    os.mkdir(place)
    for entry in matches:
        os.symlink(os.path.join(parent, entry), os.path.join(place, entry))


_MOST_NEIGHBOURS = 256


def prepare_code(base: str, source: str | None, *, declared: bool) -> str:
    """Fill `code/` from a source directory or archive; returns it: the working directory.

    As in a container, a program runs in a directory of its own that shows the files lying beside it: it can
    read them by relative paths, and what trials write by relative paths does not collide. A directory is
    linked entry by entry, leaving out hidden ones; a `.tar.gz` is unpacked. A directory that was not declared
    as the source but merely holds the program, among more than 256 entries (a /usr/bin), is not shown.

    Raises:
        ContractError: the source is missing or is no archive, or an entry would leave the directory.
    """
    code = os.path.join(base, "code")
    if source is None:
        return code
    if os.path.isdir(source):
        entries = [name for name in os.listdir(source) if not name.startswith(".") and name != "__pycache__"]
        if declared or len(entries) <= _MOST_NEIGHBOURS:
            for entry in entries:
                os.symlink(os.path.join(source, entry), os.path.join(code, entry))
    elif not declared:
        raise ContractError(f"the program's directory {source} is not found; correct TrainingImage")
    elif os.path.isfile(source):
        unpack(source, code)
    else:
        raise ContractError(f"the program's source {source} is not found; correct sagemaker_submit_directory")
    return code


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
    """What the program wrote into `output/failure`: the first 1024 characters, or nothing."""
    try:
        with open(os.path.join(base, "output/failure"), encoding="utf-8", errors="replace") as file:
            return file.read(4 * FAILURE_LENGTH).strip()[:FAILURE_LENGTH]
    except OSError:
        return ""
