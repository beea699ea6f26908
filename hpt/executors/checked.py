"""What the records of an attempt must hold, looked at before anything is made of them.

A training program can reach the files of its attempt, and disks and copies go wrong. Whatever a record holds
then, it is read in bounded time and space and either has the form below or is damaged, with a reason.

Standard library only: the supervisor imports this.
"""

from __future__ import annotations

import json
import os

from hpt.executors import record
from hpt.host.clock import LATEST
from hpt.host.files import NO_FILE, read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Check = Callable[[object], bool]

LARGEST_SPEC = 1 << 26
LARGEST = 1 << 20
"""Bytes of the specification and of any other record; a larger one is damaged."""

LARGEST_PHASES = 1 << 16

MOST_HOSTS = 1 << 10

_FARTHEST = 1e15  # of any other number from 0

PHASES = frozenset(("Starting", "Downloading", "Training", "Stopping", "Uploading", "Ended"))


class DamagedRecordError(Exception):
    """A record is not what hpt wrote; the message says which and how."""


def is_time(value: object) -> bool:
    """Whether it can be a time in seconds since the epoch."""
    return type(value) in (int, float) and 0 <= value <= LATEST  # type: ignore[operator]  # a number by then


def _is_string(value: object) -> bool:
    return isinstance(value, str)


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and -_FARTHEST <= value <= _FARTHEST  # type: ignore[operator]  # as above


def _is_code(value: object) -> bool:
    return type(value) is int and -1024 <= value <= 1024


def _is_token(value: object) -> bool:
    return isinstance(value, str) and len(value) == 32 and value.isalnum() and value.isascii()


def _are_strings(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(entry, str) for entry in value.values())


def _is_command(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


_CHANNEL: dict[str, Check] = dict.fromkeys(
    ("name", "input_mode", "distribution", "record_wrapper"), _is_string
)


def _are_channels(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(channel, dict)
        and all(check(channel.get(member)) for member, check in _CHANNEL.items())
        and isinstance(channel.get("uri"), str)
        and (channel.get("content_type") is None or isinstance(channel["content_type"], str))
        and isinstance(channel.get("data_type", ""), str)
        and isinstance(channel.get("compression", ""), str)
        and _is_command(channel.get("attribute_names", []))
        and isinstance(channel.get("shuffle_seed", 0), int)
        and _is_command(channel.get("instance_group_names", []))
        for channel in value
    )


def _is_number_of_hosts(value: object) -> bool:
    return type(value) is int and 1 <= value <= MOST_HOSTS


def _are_groups(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(group, dict)
        and _is_string(group.get("name"))
        and _is_string(group.get("instance_type"))
        and _is_number_of_hosts(group.get("count"))
        for group in value
    )


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _is_identity(value: object) -> bool:
    return isinstance(value, dict) and _fault(value, _IDENTITY, {}) is None


def _is_clock(value: object) -> bool:
    return isinstance(value, dict) and _fault(value, {"epoch": _is_string, "offset": _is_number}, {}) is None


_IDENTITY: dict[str, Check] = {"boot_id": _is_string, "pid": _is_count, "start_time": _is_count}

_MARKER: dict[str, Check] = {**_IDENTITY, "token": _is_token}

_EXIT: dict[str, Check] = {
    "outcome": lambda value: value in ("Exited", "Lost", "Preempted"),
    "exit_code": _or_none(_is_code),
}
_EXIT_MORE: dict[str, Check] = {
    "reason": _is_string,
    "stopped": _is_bool,
    "timed_out": _is_bool,
    "started": _or_none(is_time),
    "ended": _or_none(is_time),
    "model": _or_none(_is_string),
    "checkpoint": _or_none(_is_count),
}

_SPEC: dict[str, Check] = {
    **dict.fromkeys(
        ("name", "refusal", "entry", "python_path", "interpreter", "requested_image", "instance_type"),
        _is_string,
    ),
    **dict.fromkeys(("transfer_path", "checkpoint_local_path"), _is_string),
    **dict.fromkeys(("source", "output_path", "checkpoint_uri"), _or_none(_is_string)),
    **dict.fromkeys(("in_code", "takes_arguments", "python"), _is_bool),
    **dict.fromkeys(("hyperparameters", "environment"), _are_strings),
    **dict.fromkeys(("attempt", "parallel"), _is_count),
    **dict.fromkeys(("spent_seconds", "grace_seconds"), _is_number),
    "command": _is_command,
    "channels": _are_channels,
    "max_runtime_seconds": _or_none(_is_number),
}
_SPEC_MORE: dict[str, Check] = {
    "owner": _or_none(_is_identity),
    "clock": _or_none(_is_clock),
    "fresh": _is_bool,
    "job": _is_string,
    "digest": _is_string,
    "output_compression": _is_string,
    **dict.fromkeys(("declared", "function", "script", "named_python"), _is_bool),
    **dict.fromkeys(("image_if_present", "finds_paths", "own_checkpoints", "elsewhere"), _is_bool),
    **dict.fromkeys(("program_python", "environments"), _is_string),
    **dict.fromkeys(("program", "snapshot", "memory_group", "image", "checkpoints_at"), _or_none(_is_string)),
    "names_opt_ml": _or_none(_is_bool),
    **dict.fromkeys(("entrypoint", "arguments"), _is_command),
    "instance_count": _is_number_of_hosts,
    "instance_groups": _are_groups,
    "gpus": _or_none(_is_command),
    "gpu_variable": _is_string,
    "cores": lambda value: value is None or (isinstance(value, list) and all(map(_is_count, value))),
    "memory_bytes": _or_none(_is_count),
}


def _shown(value: object) -> str:
    if isinstance(value, dict | list):
        return "a list" if isinstance(value, list) else "an object"
    return f"{value!r:.100}"


def _fault(content: Mapping[str, Any], needed: Mapping[str, Check], more: Mapping[str, Check]) -> str | None:
    """What is wrong with the members of a record, None if nothing is."""
    for name, check in needed.items():
        if name not in content:
            return f"{name!r} is missing"
        if not check(content[name]):
            return f"{name!r} is {_shown(content[name])}"
    for name, check in more.items():
        if name in content and not check(content[name]):
            return f"{name!r} is {_shown(content[name])}"
    return None


def _read(path: str, limit: int) -> dict[str, Any] | None:
    """The JSON object in a record; None where there is no such file.

    Raises:
        DamagedRecordError: something else is there. OSError: the disk fails.
    """
    name = os.path.basename(path)
    try:
        data = read_file(path, limit + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno in NO_FILE:
            raise DamagedRecordError(f"its record {name} cannot be read: {error.strerror}") from None
        raise
    if len(data) > limit:
        raise DamagedRecordError(f"its record {name} is larger than {limit} bytes")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        what = "is empty" if not data.strip(b"\0 \n") else "is not whole"
        raise DamagedRecordError(f"its record {name} {what}") from None
    if not isinstance(content, dict):
        raise DamagedRecordError(f"its record {name} is damaged: it is no JSON object")
    version = content.get("version", 1)
    if type(version) is not int or version < 1:
        raise DamagedRecordError(f"its record {name} is damaged: 'version' is {_shown(version)}")
    if version > record.VERSION:
        raise DamagedRecordError(
            f"its record {name} was written by a newer hpt (version {version!r:.20}, and {record.VERSION} is"
            " the latest known here); upgrade"
        )
    return content


def _checked(
    path: str, needed: Mapping[str, Check], more: Mapping[str, Check], limit: int = LARGEST
) -> dict[str, Any] | None:
    content = _read(path, limit)
    if content is not None and (fault := _fault(content, needed, more)) is not None:
        raise DamagedRecordError(f"its record {os.path.basename(path)} is damaged: {fault}")
    return content


def read_spec(directory: str) -> dict[str, Any] | None:
    """What to run. None where it is missing.

    Raises:
        DamagedRecordError: it is no specification. OSError: the disk fails.
    """
    return _checked(f"{directory}/{record.SPEC}", _SPEC, _SPEC_MORE, LARGEST_SPEC)


def read_marker(directory: str) -> dict[str, Any] | None:
    """Which supervisor started the attempt. None where none did. Raises as `read_spec`."""
    return _checked(f"{directory}/{record.STARTED}", _MARKER, {"namespace": _is_count})


def read_exit(directory: str) -> dict[str, Any] | None:
    """How the attempt ended. None where it has not. Raises as `read_spec`."""
    content = _checked(f"{directory}/{record.EXIT}", _EXIT, _EXIT_MORE)
    if content is None:
        return None
    content.pop("version", None)
    if unknown := content.keys() - _EXIT.keys() - _EXIT_MORE.keys():
        raise DamagedRecordError(
            f"its record {record.EXIT} has the unknown member {min(unknown)!r:.100}: a newer hpt wrote it,"
            " upgrade, or it is damaged"
        )
    return content


def read_phases(directory: str, offset: int) -> tuple[list[tuple[str, float]], int]:
    """The phases entered and when, from byte `offset` of their file on, and the offset after them.

    Raises as `read_spec`.
    """
    path = f"{directory}/{record.PHASES}"
    try:
        if os.stat(path).st_size == offset and os.path.isfile(path):
            return [], offset
        data = read_file(path, LARGEST_PHASES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return [], offset
    except OSError as error:
        if error.errno in NO_FILE:
            raise DamagedRecordError(f"its record {record.PHASES} cannot be read: {error.strerror}") from None
        raise
    if len(data) > LARGEST_PHASES:
        raise DamagedRecordError(f"its record {record.PHASES} is larger than {LARGEST_PHASES} bytes")
    if len(data) < offset:
        raise DamagedRecordError(record.CUT_SHORT)
    whole = data[offset : data.rfind(b"\n") + 1]
    return [_phase(line) for line in whole.split(b"\n")[:-1]], offset + len(whole)


def _phase(line: bytes) -> tuple[str, float]:
    said = line[:100].decode("utf-8", "backslashreplace")
    phase, _, seconds = said.partition(" ")
    try:
        time = float(seconds) if len(seconds) < 40 else -1.0
    except ValueError:
        time = -1.0
    if phase not in PHASES or not is_time(time):
        raise DamagedRecordError(f"its record {record.PHASES} is damaged: it holds {said!r}")
    return phase, time
