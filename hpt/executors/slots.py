"""What training jobs get of this machine: which GPUs and which cores, assigned when they are submitted."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

from hpt.errors import BusyError, ExecutorError
from hpt.executors import cgroup
from hpt.executors.claims import UNITS, claim, runtime_directory
from hpt.job.plural import quantity
from hpt.job.resources import SlotResources

if TYPE_CHECKING:
    from hpt.executors.devices import Gpus

_KEPT = 1.0
"""Seconds that a claim is kept for the next training job."""


class Machine:
    """The GPUs and cores that this process may give away, looked at once."""

    def __init__(
        self, variables: Mapping[str, str] | None = None, cores: Sequence[int] | None = None
    ) -> None:
        """variables, cores: of this process if they are left out."""
        self._variables = os.environ if variables is None else variables
        self.cores = sorted(os.sched_getaffinity(0) if cores is None else cores)
        self._gpus: dict[tuple[tuple[str, str], ...], Gpus] = {}

    def gpus(self, environment: Mapping[str, str]) -> Gpus:
        """Those that a program with these variables beside this process's would see."""
        from hpt.executors.devices import find_gpus  # it imports more, and few jobs ask for GPUs

        own = tuple(sorted((key, value) for key, value in environment.items() if "VISIBLE_DEVICES" in key))
        if own not in self._gpus:
            self._gpus[own] = find_gpus({**self._variables, **dict(own)})
        return self._gpus[own]

    def places(self, resources: SlotResources, environment: Mapping[str, str]) -> int | None:
        """How many training jobs of the kind fit at a time; None if any number does."""
        most = []
        if resources.gpus:
            most.append(len(self.gpus(environment).names) // resources.gpus)
        if resources.cpus is not None:
            whole, part = shares(resources.cpus)
            if not whole:
                most.append(len(self.cores) * (UNITS // part))
            elif not part:
                most.append(len(self.cores) // whole)
            else:  # every so many of them share one more core
                together = UNITS // part
                group = together * whole + 1
                rest = len(self.cores) % group
                most.append(len(self.cores) // group * together + max(0, min(together, (rest - 1) // whole)))
        return min(most, default=None)


def shares(cpus: float) -> tuple[int, int]:
    """Whole cores, and the parts of one more."""
    whole = int(cpus)
    part = ceil((cpus - whole) * UNITS - 1e-6)
    return (whole + 1, 0) if part == UNITS else (whole, part)


class Assignment:
    """What one training job, or one warm worker, was given. It is kept while any process has `files` open."""

    def __init__(self, resources: SlotResources) -> None:
        self.resources = resources
        self.gpus: list[str] | None = None
        self.variable = ""
        self.cores: list[int] | None = None
        self.group: str | None = None
        self.claims: list[tuple[str, int, int]] = []  # device, parts, open file

    def specification(self) -> dict[str, Any]:
        """What a supervisor needs to know of it."""
        return {
            "gpus": self.gpus,
            "gpu_variable": self.variable,
            "cores": self.cores,
            "memory_bytes": self.resources.memory_bytes,
            "memory_group": self.group,
        }

    def actions(self, *used: int) -> list[tuple[int, int, int]]:
        """File actions of `posix_spawn` that hand the claims down, to descriptors that nothing else has.

        used: those of further actions, which come later.
        """
        files = [fd for _, _, fd in self.claims]
        above = max([*files, *used, 15]) + 1
        return [(os.POSIX_SPAWN_DUP2, fd, above + i) for i, fd in enumerate(files)]


class Slots:
    """The claims that one tuner holds."""

    def __init__(self, machine: Machine | None = None) -> None:
        self._machine = machine
        self._directory: str | None = None
        self._group: str | None = None
        self._idle: dict[str, tuple[int, float]] = {}  # whole devices: open file, since when

    def assign(self, resources: SlotResources, environment: Mapping[str, str]) -> Assignment:
        """GPUs, cores and a place for a group of processes, for a training job with these variables.

        Raises:
            BusyError: others have them now.
            ExecutorError: the machine does not have so many, or they cannot be claimed.
        """
        machine = self._machine = self._machine or Machine()
        found = Assignment(resources)
        if machine.places(resources, environment) == 0:
            raise ExecutorError(too_much(machine, resources, environment))
        try:
            if resources.gpus is not None:
                gpus = machine.gpus(environment)
                pairs = dict(zip(gpus.devices, gpus.names, strict=True))
                taken = self._take(found, list(pairs), resources.gpus, "GPU")
                found.gpus, found.variable = [pairs[device] for device in taken], gpus.variable
            if resources.cpus is not None:
                whole, part = shares(resources.cpus)
                names = {f"core-{number}": number for number in machine.cores}
                taken = self._take(found, list(names), whole, "core")
                if part:
                    left = [name for name in names if name not in taken]
                    taken.append(self._take_part(found, left, part, spread=not whole))
                found.cores = sorted(names[name] for name in taken)
            if resources.memory_bytes is not None:
                if self._group is None:
                    self._group = cgroup.delegated() or ""
                cgroup.remove_leftovers(self._group)
                found.group = self._group or None
        except BaseException:
            self.release(found)
            raise
        return found

    def _take(self, found: Assignment, devices: Sequence[str], count: int, what: str) -> list[str]:
        """Claim so many of the devices, first those that are at hand."""
        taken: list[str] = []
        for device in sorted(devices, key=lambda device: device not in self._idle):
            if len(taken) == count:
                break
            fd = self._idle.pop(device)[0] if device in self._idle else claim(self._place(), device)
            if fd is not None:
                found.claims.append((device, UNITS, fd))
                taken.append(device)
        if len(taken) < count:
            raise _busy(quantity(count, what), len(taken), len(devices))
        return taken

    def _take_part(self, found: Assignment, cores: Sequence[str], part: int, *, spread: bool) -> str:
        """Claim a part of one of the cores. spread: rather of one that nobody has any part of."""
        for core in cores:
            if core in self._idle:
                os.close(self._idle.pop(core)[0])
        starts = range(0, UNITS - part + 1, part)
        pairs = [(core, start) for core in cores for start in starts]
        for core, start in sorted(pairs, key=lambda pair: pair[1]) if spread else pairs:
            fd = claim(self._place(), core, part, start)
            if fd is not None:
                found.claims.append((core, part, fd))
                return core
        raise _busy("a part of a core", 0, len(cores))

    def _place(self) -> str:
        if self._directory is None:
            self._directory = runtime_directory()
        return self._directory

    def release(self, assignment: Assignment | None) -> None:
        """Give back what a training job had, whose processes are at their end."""
        if assignment is None:
            return
        claims, assignment.claims = assignment.claims, []
        for device, units, fd in claims:
            if units == UNITS and device not in self._idle:
                self._idle[device] = fd, time.monotonic()  # its supervisor may need a moment to exit
            else:
                os.close(fd)

    def trim(self, *, all: bool = False) -> None:
        """Leave to other tuners what has been idle for a while."""
        late = time.monotonic() - _KEPT
        for device, (fd, since) in list(self._idle.items()):
            if all or since < late:
                del self._idle[device]
                os.close(fd)


def _busy(wanted: str, free: int, there: int) -> BusyError:
    return BusyError(
        f"it is to have {wanted}, and {free} of {there} here {'is' if free == 1 else 'are'} free: other"
        " training jobs have the rest"
    )


def too_much(machine: Machine, resources: SlotResources, environment: Mapping[str, str]) -> str:
    """Why not even one training job of the kind can run here, as a message with the fix."""
    if resources.gpus:
        gpus = machine.gpus(environment)
        if len(gpus.names) < resources.gpus:
            there = quantity(len(gpus.names), "GPU") if gpus.names else "none"
            return (
                f"each training job is to have {quantity(resources.gpus, 'GPU')}, and there"
                f" {'is' if len(gpus.names) < 2 else 'are'} {there} here (by {gpus.origin}); ask for"
                f" {'none' if not gpus.names else 'fewer'}, or name the GPUs that there are in"
                " CUDA_VISIBLE_DEVICES"
            )
    return (
        f"each training job is to have {resources.cpus:g} cores, and this process may use"
        f" {quantity(len(machine.cores), 'core')}; ask for fewer"
    )
