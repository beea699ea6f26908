"""What a training job may use of the machine: GPUs, cores and memory.

A job's description says it in the `Environment` of a definition (`VARIABLES`), as every client can; a job
file, `tuning_job` and `hpt.tune` have members and arguments of their own that end there too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from hpt.errors import InputError
from hpt.search.numbers import is_finite_number

VARIABLES = {
    "gpus": "HPT_GPUS_PER_JOB",
    "cpus": "HPT_CPUS_PER_JOB",
    "memory_bytes": "HPT_MEMORY_PER_JOB",
}
"""The variable of each field of `SlotResources`."""

MEMBERS = {"gpus": "GpusPerJob", "cpus": "CpusPerJob", "memory_bytes": "MemoryPerJob"}
"""The members of `ResourceConfig` in a job file, by field."""

LEAST_MEMORY = 32 << 20
"""Bytes below which no interpreter starts, so that whoever gives less means something else."""

_MOST = 1 << 20  # GPUs, cores, or TiB of memory
_SIZE = re.compile(r"([0-9]{1,30}(?:\.[0-9]{1,30})?) ?(?:([kmgtKMGT])(?:i?[bB]|i)?|[bB])?", re.ASCII)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


@dataclass(frozen=True, slots=True)
class SlotResources:
    """What a training job gets of the machine that it runs on; None: no more and no less than any other.

    gpus: how many GPUs it has for itself, and sees; 0: it sees none. cpus: the cores that it runs on, which
    are its own; of a fraction, such as 0.5, others share the core. memory_bytes: the most memory that all its
    processes may use together, as an integer or a string such as `8G` or `512 MiB`; beyond it fails.
    """

    gpus: int | None = None
    cpus: int | float | None = None
    memory_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.gpus is not None:
            object.__setattr__(self, "gpus", _gpus(self.gpus))
        if self.cpus is not None:
            object.__setattr__(self, "cpus", _cpus(self.cpus))
        if self.memory_bytes is not None:
            object.__setattr__(self, "memory_bytes", _memory(self.memory_bytes))

    def __bool__(self) -> bool:
        """Whether anything is asked for."""
        return self != NOTHING

    def variables(self) -> dict[str, str]:
        """The variables that say so."""
        values = {"gpus": self.gpus, "cpus": self.cpus, "memory_bytes": self.memory_bytes}
        return {VARIABLES[name]: str(value) for name, value in values.items() if value is not None}

    def within(self, wider: SlotResources) -> SlotResources:
        """These, completed by those of something wider."""
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        return replace(wider, **{name: value for name, value in own.items() if value is not None})


NOTHING = SlotResources()


def _gpus(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _MOST:
        raise InputError(f"gpus {value!r} is not an integer of at least 0; give the number of GPUs")
    return value


def _cpus(value: Any) -> int | float:
    if not is_finite_number(value) or not 0 < value <= _MOST:
        raise InputError(
            f"cpus {value!r} is not a number above 0; give the number of cores, such as 2 or 0.5"
        )
    number = float(value)
    return int(number) if number.is_integer() else number


def _memory(value: object) -> int:
    size = parse_size(value) if isinstance(value, str) else value
    if type(size) is not int or size <= 0 or size > _MOST << 40:
        raise InputError(f"memory {value!r} is not a size above 0; give bytes, or a string such as '8G'")
    if size < LEAST_MEMORY:
        raise InputError(
            f"memory {value!r} is less than the {show_size(LEAST_MEMORY)} that an interpreter needs to start;"
            " give more, with its unit, such as '8G'"
        )
    return size


def parse_size(string: str) -> int:
    """Bytes of `8G`, `512 MiB`, `1.5g` or `1073741824`. Units are powers of 1024, however they are spelled.

    >>> parse_size("8G") == parse_size("8 GiB") == parse_size("8192m") == 8 << 30
    True

    Raises:
        InputError: it is no size.
    """
    found = _SIZE.fullmatch(string.strip())
    if found is None:
        raise InputError(
            f"memory {string!r:.80} is not a size; give a number above 0 with a unit K, M, G or T, such as 8G"
        )
    number, unit = found[1], (found[2] or "").lower()
    factor = _UNITS[unit]
    whole, _, fraction = number.partition(".")
    return int(whole) * factor + (int(fraction) * factor // 10 ** len(fraction) if fraction else 0)


def show_size(size: float) -> str:
    """A number of bytes for a message.

    >>> show_size(8 << 30), show_size(1536 << 20), show_size(100)
    ('8 GiB', '1.5 GiB', '100 bytes')
    """
    for unit, factor in (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}" if size < 1000 * factor else f"{size / factor:.0f} {unit}"
    return f"{size:.0f} bytes"


def read_resources(environment: Mapping[str, str]) -> SlotResources:
    """What an environment asks for.

    Raises:
        VariableError: a value is invalid.
    """
    found = SlotResources()
    for field, variable in VARIABLES.items():
        string = environment.get(variable)
        if string is None:
            continue
        try:
            found = replace(found, **{field: _parsed(field, string)})
        except InputError as error:
            raise VariableError(str(error), variable) from None
    return found


class VariableError(InputError):
    """The value of a variable is invalid. variable: its name."""

    def __init__(self, message: str, variable: str) -> None:
        super().__init__(message)
        self.variable = variable


def _parsed(field: str, string: str) -> Any:
    """The value of a field; what is no number stays a string, which the field refuses."""
    if field == "memory_bytes":
        return string
    try:
        return int(string) if field == "gpus" or string.strip().isdecimal() else float(string)
    except ValueError:
        return string


def as_resources(value: object) -> SlotResources:
    """What an argument `resources` asks for: a `SlotResources`, a mapping of its fields, or None.

    Raises:
        InputError: it is something else.
    """
    if value is None:
        return NOTHING
    if isinstance(value, SlotResources):
        return value
    if isinstance(value, Mapping) and value.keys() <= VARIABLES.keys():
        return SlotResources(**value)
    raise InputError(f"resources {value!r} is not a SlotResources; give gpus, cpus and memory_bytes of one")
