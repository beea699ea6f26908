"""What each training job gets of this machine, and in which container it runs, on the command line."""

from __future__ import annotations

import argparse
from argparse import Namespace

from hpt.errors import InputError
from hpt.job.resources import VARIABLES, SlotResources, VariableError, read_resources


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of every command that starts training jobs of a job file."""
    parser.add_argument(
        "--gpus-per-job", metavar="N", help="GPUs that each training job has for itself; 0: it sees none"
    )
    parser.add_argument(
        "--cpus-per-job", metavar="N", help="cores that each training job has for itself, such as 2 or 0.5"
    )
    parser.add_argument(
        "--memory-per-job",
        metavar="SIZE",
        help="the most memory of each training job, such as 512M or 8G; one that takes more fails",
    )
    parser.add_argument(
        "--containers",
        choices=("auto", "always", "never"),
        help="which training images run in containers of Podman or Docker: auto (those that are nothing "
        "else), always (also those of script mode and built-in algorithms, where this host has the image) "
        "or never; in place of HPT_CONTAINERS in the Environment of a definition",
    )


def resources(options: Namespace) -> SlotResources:
    """What is asked for each training job on the command line.

    Raises:
        InputError: the value of an option is invalid.
    """
    variables = {}
    for option, field in (("gpus", "gpus"), ("cpus", "cpus"), ("memory", "memory_bytes")):
        string = getattr(options, f"{option}_per_job")
        if string is not None:
            variables[VARIABLES[field]] = string
    try:
        return read_resources(variables)
    except VariableError as error:
        field = next(name for name, variable in VARIABLES.items() if variable == error.variable)
        raise InputError(f"--{field.removesuffix('_bytes')}-per-job: {error}") from None


def given(options: Namespace) -> list[str]:
    """The same options as words of a command."""
    names = ("gpus_per_job", "cpus_per_job", "memory_per_job", "containers")
    values = {name: getattr(options, name) for name in names}
    return [
        word
        for name, value in values.items()
        if value is not None
        for word in (f"--{name.replace('_', '-')}", value)
    ]
