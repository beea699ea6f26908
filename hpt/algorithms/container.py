"""The container contract as a training program sees it (behaviour 16): folders, configuration, failure, stop.

Everything lies below one base folder, `$SAGEMAKER_BASE_DIR` or `/opt/ml`:

    input/config/hyperparameters.json, inputdataconfig.json, resourceconfig.json, checkpointconfig.json
    input/data/<channel>/    checkpoints/    model/    output/failure
"""

from __future__ import annotations

import json
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import FrameType
from typing import Any

Log = Callable[[str], None]
"""Prints a line of the log."""

USER_ERROR = 1
"""Exit code when the user can fix it: data, hyperparameters, a missing package."""
ALGORITHM_ERROR = 2
"""Exit code for everything else."""

_DEFAULT_BASE = "/opt/ml"
_REASON_LENGTH = 1024  # what becomes of output/failure in FailureReason


class UserError(Exception):
    """The job cannot run as asked; the message names what, the rule and the fix."""


def counted(number: int, noun: str, verb: str = "") -> str:
    """`1 row`, `2 rows`; with a verb `1 row differs`, `2 rows differ`.

    >>> counted(2, "value", "are"), counted(1, "row", "differ")
    ('2 values are', '1 row differs')
    """
    if number == 1:
        single = "is" if verb == "are" else f"{verb}s" if verb else ""
        return f"1 {noun} {single}".rstrip()
    return f"{number} {noun}s {verb}".rstrip()


@dataclass(frozen=True, slots=True)
class Folders:
    """Where a training program finds and leaves its files."""

    base: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Folders:
        return cls(Path(environment.get("SAGEMAKER_BASE_DIR") or _DEFAULT_BASE))

    @property
    def config(self) -> Path:
        return self.base / "input" / "config"

    @property
    def data(self) -> Path:
        return self.base / "input" / "data"

    @property
    def model(self) -> Path:
        return self.base / "model"

    @property
    def failure(self) -> Path:
        return self.base / "output" / "failure"

    @property
    def checkpoints(self) -> Path:
        """The checkpoint folder: `LocalPath` of the job, below the base folder where it says `/opt/ml`."""
        configured = _read_json(self.config / "checkpointconfig.json", required=False).get("LocalPath")
        if not configured:
            return self.base / "checkpoints"
        path = PurePosixPath(str(configured))
        if path.is_relative_to(_DEFAULT_BASE):
            return self.base / path.relative_to(_DEFAULT_BASE)
        return self.base / path


@dataclass(frozen=True, slots=True)
class Channel:
    """One input channel: its name, folder (in Pipe mode: FIFO) and declared content type ('' if none)."""

    name: str
    path: Path
    content_type: str = ""


class StopRequest:
    """Becomes true at the first SIGTERM; programs look at it between units of work."""

    def __init__(self) -> None:
        self.received = False

    def listen(self) -> None:
        signal.signal(signal.SIGTERM, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = True

    def __bool__(self) -> bool:
        return self.received


def read_hyperparameters(folders: Folders) -> dict[str, str]:
    """The flat map of strings. Numbers and booleans written by hand are taken as their JSON text."""
    path = folders.config / "hyperparameters.json"
    content = _read_json(path, required=True)
    return {
        str(name): value if isinstance(value, str) else json.dumps(value) for name, value in content.items()
    }


def read_channels(folders: Folders) -> dict[str, Channel]:
    """The channels of the job by name: those configured, else every folder below `input/data`.

    Raises:
        UserError: a channel has records, or the job runs on more than one host.
    """
    hosts = _read_json(folders.config / "resourceconfig.json", required=False).get("hosts", [])
    if isinstance(hosts, list) and len(hosts) > 1:
        raise UserError(
            f"the job has {len(hosts)} hosts; built-in programs run on one; set InstanceCount to 1"
        )
    configured = _read_json(folders.config / "inputdataconfig.json", required=False)
    if not configured and folders.data.is_dir():
        configured = {path.name: {} for path in sorted(folders.data.iterdir())}
    channels = {}
    for name, options in configured.items():
        options = options if isinstance(options, dict) else {}
        if options.get("RecordWrapperType") == "RecordIO":
            raise UserError(f"channel {name!r}: built-in programs read rows, not records; use no RecordIO")
        place = f"{name}_0" if options.get("TrainingInputMode") == "Pipe" else name  # they read data once
        channels[name] = Channel(name, folders.data / place, str(options.get("ContentType") or ""))
    return channels


def _read_json(path: Path, required: bool) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if required:
            raise UserError(
                f"{path} is missing; point SAGEMAKER_BASE_DIR at a folder laid out like /opt/ml"
            ) from None
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} holds {type(content).__name__}, not a JSON object")
    return content


def run(train: Callable[[Folders, StopRequest], None], environment: Mapping[str, str]) -> int:
    """Runs a training program to its exit code, leaving `output/failure` behind when it fails.

    A SIGTERM from here on is noted, not fatal: `train` is expected to look at its `StopRequest`.
    """
    stop = StopRequest()
    stop.listen()
    folders = Folders.from_environment(environment)
    try:
        folders.failure.unlink(missing_ok=True)  # an earlier attempt's reason is not this one's
        train(folders, stop)
    except UserError as error:
        return _fail(folders, str(error), USER_ERROR)
    except MemoryError:
        return _fail(
            folders, "out of memory; use less data, shallower trees or fewer parallel jobs", ALGORITHM_ERROR
        )
    except OSError as error:
        return _fail(
            folders, f"{error.strerror or error} ({error.filename or 'no file named'})", ALGORITHM_ERROR
        )
    except Exception as error:
        traceback.print_exc()
        return _fail(folders, f"unexpected {type(error).__name__}: {error}", ALGORITHM_ERROR)
    return 0


def _fail(folders: Folders, reason: str, code: int) -> int:
    print(f"hpt: training failed: {reason}", file=sys.stderr, flush=True)
    try:
        folders.failure.parent.mkdir(parents=True, exist_ok=True)
        folders.failure.write_text(reason[:_REASON_LENGTH], encoding="utf-8")
    except OSError as error:
        print(
            f"hpt: the reason could not be written to {folders.failure}: {error}", file=sys.stderr, flush=True
        )
    return code
