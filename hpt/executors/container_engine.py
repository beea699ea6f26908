"""The container engine of this host: which command it is, what it is told and what it answers.

Few modules, as the supervisor imports this.
"""

from __future__ import annotations

import os
import shlex
import shutil

from hpt.executors.outcome import last_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

ENGINE_VARIABLE = "HPT_CONTAINER_ENGINE"
"""The engine's command with its global options, such as `podman --runtime runc`."""

OPTIONS_VARIABLE = "HPT_CONTAINER_OPTIONS"
"""Further options of its `run`, such as `--network=none --shm-size=2g`."""

ENGINES = ("podman", "docker")

LABEL = "hpt.attempt"
"""Of a container: the attempt's token."""

NOTE = "container.json"
"""The file in an attempt's directory that says that it may have a container."""

_THEIRS = (
    "image not known",
    "no such image",
    "unable to find image",
    "no such object",
    "pull access denied",
    "manifest unknown",
    "unknown flag",
    "unknown shorthand flag",
    "invalid reference format",
    "invalid argument",
    "not found",
    "permission denied",
    "exec format error",
    "is a directory",
)
"""What an engine says when trying again is of no use."""

_REFUSALS = (125, 126, 127)
"""Exit codes of `run` for the engine's own failure, a command that cannot run and one that is not found."""

_PREFIXES = ("Error: ", "docker: ", "Unable to find image ")


class EngineError(Exception):
    """There is no container engine, or it cannot be used; the message says why and what to do."""


def find(variables: Mapping[str, str]) -> list[str]:
    """The engine's command: the one that the environment names, else Podman, else Docker.

    Raises:
        EngineError: there is none.
    """
    path = variables.get("PATH")
    try:
        words = shlex.split(variables.get(ENGINE_VARIABLE, ""))
    except ValueError as error:
        raise EngineError(f"{ENGINE_VARIABLE} is not a command ({error}); correct its quotes") from None
    if words:
        program = shutil.which(words[0], path=path)
        if program is None:
            raise EngineError(
                f"{ENGINE_VARIABLE} names {words[0]!r}, which is not installed; install it or correct it"
            )
        return [program, *words[1:]]
    for name in ENGINES:
        if (program := shutil.which(name, path=path)) is not None:
            return [program]
    raise EngineError(
        "images run in containers, and no container engine is installed; install Podman or Docker, or name"
        f" one in {ENGINE_VARIABLE}"
    )


def options(variables: Mapping[str, str]) -> list[str]:
    """The user's options of `run`.

    Raises:
        EngineError: they are no words of a shell.
    """
    try:
        return shlex.split(variables.get(OPTIONS_VARIABLE, ""))
    except ValueError as error:
        raise EngineError(f"{OPTIONS_VARIABLE} are not options ({error}); correct their quotes") from None


def is_podman(engine: Sequence[str]) -> bool:
    return "podman" in os.path.basename(engine[0])


def mount(source: str, target: str, writable: bool) -> str:
    """The value of `--mount`, which is a line of a CSV file.

    >>> mount("/data/a,b", "/opt/ml/input/data/train", False)
    'type=bind,"source=/data/a,b",target=/opt/ml/input/data/train,readonly'
    """
    fields = ["type=bind", f"source={source}", f"target={target}", *([] if writable else ["readonly"])]
    return ",".join(_field(field) for field in fields)


def _field(field: str) -> str:
    doubled = field.replace('"', '""')
    return f'"{doubled}"' if any(each in field for each in ',"\n') else field


def resource_options(engine: Sequence[str], spec: Mapping[str, Any]) -> list[str]:
    """The options by which a container has the memory, the CPUs and the GPUs of its slot."""
    words = []
    if (memory := spec.get("memory_bytes")) is not None:
        words += [f"--memory={memory}", f"--memory-swap={memory}"]
    if cores := spec.get("cores"):
        words.append(f"--cpuset-cpus={','.join(map(str, cores))}")
    return words + _gpu_options(engine, spec.get("gpus"))


def _gpu_options(engine: Sequence[str], gpus: Sequence[Any] | None) -> list[str]:
    """gpus: those of the slot; None: all there are."""
    if gpus is not None and not gpus:
        return []
    if os.path.exists("/dev/kfd"):
        return ["--device=/dev/kfd", "--device=/dev/dri"]
    if not os.path.exists("/dev/nvidiactl"):
        return []
    if is_podman(engine):
        return [f"--device=nvidia.com/gpu={gpu}" for gpu in (["all"] if gpus is None else gpus)]
    return ["--gpus=all" if gpus is None else f'--gpus="device={",".join(map(str, gpus))}"']


def removal(name: str) -> list[str]:
    """The words by which an engine kills and removes a container."""
    return ["rm", "--force", "--volumes", name]


def is_gone(said: str) -> bool:
    """Whether an engine's answer says that there is no such container."""
    return "no such container" in said.lower() or "no container with name" in said.lower()


def refusal(log: str, code: int) -> tuple[bool, str] | None:
    """What an engine that did not start a container said last: whether the user can fix it, and the message.

    None: the exit code is that of the program. log: the path of what both printed.
    """
    if code not in _REFUSALS:
        return None
    said = last_line(log, begins=_PREFIXES)
    if not said:
        return None
    theirs = code != _REFUSALS[0] or any(word in said.lower() for word in _THEIRS)
    return theirs, said.removeprefix("docker: ").removeprefix("Error: ")
