"""Which GPUs this machine has for a tuner.

The variables that make GPUs visible to programs say which of them a tuner may give away, as they do for any
program. Without one, the driver is asked.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from glob import glob
from typing import NamedTuple

CUDA, HIP, ROCR = "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"

NONE = "-1"
"""The value of each of the variables with which a program sees no GPU."""

_PATIENCE = 30.0
_LINE = re.compile(r"^(\s*)(?:GPU|MIG).*\(UUID: ((?:GPU|MIG)-[^)\s]+)\)", re.MULTILINE)


class Gpus(NamedTuple):
    """GPUs that programs can be given.

    variable: what shows them to a program. names: as the variable takes them. devices: what each of them is,
    the same for all tuners. origin: where they were found, for messages.
    """

    variable: str
    names: tuple[str, ...]
    devices: tuple[str, ...]
    origin: str


def find_gpus(variables: Mapping[str, str], root: str = "/") -> Gpus:
    """The GPUs that a program with these environment variables would see. root: where /proc and /sys are."""
    for variable in (CUDA, HIP, ROCR):
        if variable in variables:
            return _listed(variable, variables, root)
    if known := _nvidia(variables, root):
        return Gpus(CUDA, known, tuple(f"gpu-{name}" for name in known), "the NVIDIA driver")
    amd = _amd(root)
    names = tuple(str(number) for number in range(len(amd)))
    return Gpus(ROCR, names, amd, "the AMD driver") if amd else Gpus(CUDA, (), (), "the drivers")


def _listed(variable: str, variables: Mapping[str, str], root: str) -> Gpus:
    """Those of a list. It ends at the first entry that is none, as programs read it."""
    names: list[str] = []
    for entry in variables[variable].split(","):
        name = entry.strip()
        if not name or name.startswith("-") or name == "NoDevFiles":
            break
        if name not in names:
            names.append(name)
    physical = _amd(root) if variable != CUDA else ()
    if variable == CUDA and any(name.isdecimal() for name in names):
        physical = tuple(f"gpu-{name}" for name in _nvidia(variables, root))
    if variable == HIP and ROCR in variables:  # its numbers count the entries of the other
        physical = _listed(ROCR, variables, root).devices
    if physical:
        names = [name for name in names if not name.isdecimal() or int(name) < len(physical)]
    maker = "gpu" if variable == CUDA else "amd"
    devices = (physical[int(name)] if name.isdecimal() and physical else f"{maker}-{name}" for name in names)
    return Gpus(variable, tuple(names), tuple(devices), variable)


def _nvidia(variables: Mapping[str, str], root: str) -> tuple[str, ...]:
    """The identifiers of NVIDIA's GPUs, in the order of their bus; of one that is split, of its parts."""
    command = shutil.which("nvidia-smi", path=variables.get("PATH", os.defpath))
    if command is not None:
        try:
            listing = subprocess.run(
                [command, "-L"],
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
                check=True,
                errors="replace",
            ).stdout
        except (OSError, subprocess.SubprocessError):
            listing = ""
        if found := _split(listing):
            return found
    places = sorted(glob(os.path.join(root, "proc/driver/nvidia/gpus/*/information")))
    return tuple(_identifier(path) or str(number) for number, path in enumerate(places))


def _split(listing: str) -> tuple[str, ...]:
    """The identifiers in what `nvidia-smi -L` prints."""
    found: list[str] = []
    whole = -1  # where the GPU stands whose parts follow
    for match in _LINE.finditer(listing):
        if match[2].startswith("GPU"):
            found.append(match[2])
            whole = len(found) - 1
            continue
        if whole == len(found) - 1 and whole >= 0 and found[whole].startswith("GPU"):
            found.pop()
        found.append(match[2])
    return tuple(found)


def _identifier(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = re.search(r"GPU UUID:\s*(GPU-[0-9a-fA-F-]+)", file.read(1 << 16))
    except OSError:
        return None
    return None if found is None else found[1]


def _amd(root: str) -> tuple[str, ...]:
    """What each of AMD's GPUs is, in the order of their numbers."""
    found = []
    nodes = glob(os.path.join(root, "sys/class/kfd/kfd/topology/nodes/*"))
    for node in sorted(nodes, key=lambda path: (len(path), path)):
        try:
            with open(os.path.join(node, "gpu_id"), encoding="ascii") as file:
                number = file.read().strip()
        except (OSError, ValueError):
            continue
        if number not in ("", "0"):  # a processor without one has the number 0
            found.append(f"amd-{number}")
    return tuple(found)
