"""The container engine of this host: which command it is, what it is told and what it answers.

Few modules, as the supervisor imports this.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil

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

_NOTE = re.compile(r"container(-\d{1,4})?\.json")


def note(host: int) -> str:
    """The file in an attempt's directory that says that a host may have a container. host: from 1."""
    return "container.json" if host == 1 else f"container-{host}.json"


def notes(directory: str) -> list[str]:
    """The paths of such files that are there."""
    try:
        found = filter(_NOTE.fullmatch, os.listdir(directory))
    except OSError:
        return []
    return [os.path.join(directory, name) for name in sorted(found)]


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


def network_apart(variables: Mapping[str, str]) -> str:
    """The user's option by which each container has a network of its own; "" if there is none."""
    try:
        words = options(variables)
    except EngineError:
        return ""
    found = re.search(r"(?<!\S)(--net(?:work)?)[ =]none(?!\S)", " ".join(words))
    return "" if found is None else f"{found[1]}=none"


def is_podman(engine: Sequence[str]) -> bool:
    return "podman" in os.path.basename(engine[0])


def mount(source: str, target: str, *, writable: bool) -> str:
    """The value of `--mount`, which is a line of a CSV file.

    >>> mount("/data/a,b", "/opt/ml/input/data/train", writable=False)
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
    return words + _gpu_options(engine, spec.get("gpus"), spec.get("gpu_variable", ""))


def _gpu_options(engine: Sequence[str], gpus: Sequence[Any] | None, variable: str) -> list[str]:
    """gpus: those of the slot; None: all there are. variable: that tells a program of AMD's which it has."""
    if gpus is not None and not gpus:
        return []
    if os.path.exists("/dev/kfd"):
        own = [] if gpus is None or not variable else [f"--env={variable}={','.join(map(str, gpus))}"]
        return ["--device=/dev/kfd", "--device=/dev/dri", *own]
    if not os.path.exists("/dev/nvidiactl"):
        return []
    if is_podman(engine):
        return [f"--device=nvidia.com/gpu={gpu}" for gpu in (["all"] if gpus is None else gpus)]
    return ["--gpus=all" if gpus is None else f'--gpus="device={",".join(map(str, gpus))}"']


def removal(engine: Sequence[str], name: str) -> list[str]:
    """The command by which an engine kills and removes a container."""
    at_once = ["--time=0"] if is_podman(engine) else []  # Docker's gives no time anyway
    return [*engine, "rm", "--force", "--volumes", *at_once, name]


def look(engine: Sequence[str], name: str) -> list[str]:
    """The command by which an engine says whether there is a container."""
    return [*engine, "container", "inspect", "--format={{.Id}}", name]


def is_gone(code: int, said: str) -> bool:
    """Whether the answer to `look` says that there is none."""
    return code != 0 and ("no such container" in said.lower() or "no container with name" in said.lower())


def cannot_run(image: str, variables: Mapping[str, str]) -> tuple[str, dict[str, str]] | None:
    """Why an image cannot run here, with the fix and facts about it; None if it can. Nothing is fetched.

    The fact `pull` is the command that fetches a missing image. Podman also makes a container of the image,
    without starting it, and removes it: that shows whether the engine can run anything here.
    """
    try:
        engine, more = find(variables), options(variables)
    except EngineError as error:
        return str(error), {}
    if not any(word.startswith("--pull") for word in more):
        code, said = _ask([*engine, "image", "inspect", "--format={{.Id}}", image], variables)
        if code != 0 and any(word in said.lower() for word in _MISSING):
            pull = shlex.join([os.path.basename(engine[0]), *engine[1:], "pull", image])
            return f"{os.path.basename(engine[0])} has no such image here; pull it, or correct the name", {
                "pull": pull
            }
        if code != 0:
            return f"{shlex.join(engine)} does not work: {_last(said)}; {_FIX}", {}
    return _probe(engine, more, image, variables) if is_podman(engine) else None


_MISSING = ("image not known", "no such image", "no such object", "failed to find image")

_FIX = f"correct its installation, {ENGINE_VARIABLE} or {OPTIONS_VARIABLE}"


def _probe(
    engine: Sequence[str], more: Sequence[str], image: str, variables: Mapping[str, str]
) -> tuple[str, dict[str, str]] | None:
    name = f"hpt-check-{os.urandom(8).hex()}"
    try:
        code, said = _ask(
            [*engine, "create", f"--name={name}", "--pull=never", *more, image, "train"], variables
        )
        if code == 0:
            code, said = _ask([*engine, "init", name], variables)
    finally:
        _ask(removal(engine, name), variables)
    if code == 0 or "executable file" in said:  # which training jobs report
        return None
    return f"{shlex.join(engine)} cannot start a container here: {_last(said)}; {_FIX}", {}


def _ask(command: Sequence[str], variables: Mapping[str, str]) -> tuple[int, str]:
    """The exit code of an engine's command, and what it printed."""
    import subprocess  # supervisors do without

    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(variables),
            timeout=_PATIENCE,
            text=True,
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 1, f"it did not answer within {_PATIENCE:g} s"
    except OSError as error:
        return 1, str(error.strerror)
    return done.returncode, done.stdout


_PATIENCE = 30.0


def _last(said: str) -> str:
    """The last line, or the last with an error: after that of an option comes one about its help."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    lines = [line for line in lines if line.startswith("Error: ")] or lines
    return lines[-1].removeprefix("Error: ")[:300] if lines else "it says nothing"
