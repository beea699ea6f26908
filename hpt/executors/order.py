"""A submission as it goes to the machine that runs it, and what it becomes there.

An order names nothing of the tuner's host: programs are known by the digest of their snapshot (which travels
as an archive), modules and built-in algorithms by their names, data by URIs. The specification that a
supervisor reads adds what the node has: interpreters, paths, environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from hpt.errors import InputError
from hpt.executors import match, record
from hpt.executors.base import AttemptKey, Submission
from hpt.executors.node import Node
from hpt.executors.places import is_installed
from hpt.executors.programs import Program, resolve
from hpt.host.interpreter import is_named
from hpt.job.config import Channel, TrainingJobDefinition
from hpt.job.instances import processes
from hpt.job.isolation import elsewhere, finds_paths, runs_as_image
from hpt.job.program_kind import ProgramKind, program_of
from hpt.job.resources import SlotResources

FUNCTION_VARIABLE = "HPT_FUNCTION"
"""The variable of the environment that names the file of a function."""


@dataclass(frozen=True, slots=True)
class Order:
    """One attempt, to be run anywhere.

    content: the members of the specification that do not depend on the node, as JSON data. resources: what it
    gets of the node. containers: which images run in containers there. log_offset: as of a `Submission`.
    places: where data lies on the node in place of the tuner's host: URIs of channels and the function, by
    what they are there.
    """

    content: Mapping[str, Any]
    resources: SlotResources
    containers: str
    log_offset: int = 0
    places: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> AttemptKey:
        return AttemptKey(self.content["name"], self.content["attempt"])

    @property
    def program(self) -> str | None:
        """The digest of the snapshot of its program."""
        digest = self.content["program"]
        return None if digest is None else str(digest)

    @classmethod
    def of(cls, submission: Submission) -> Order:
        """The same for the same submission, on whichever host."""
        definition = submission.definition
        content = {
            "version": record.VERSION,
            "job": submission.job,
            "program": definition.snapshot,
            "name": submission.name,
            "attempt": submission.attempt,
            "parallel": submission.parallel,
            "requested_image": definition.training_image,
            "checkpoints_at": _checkpoints_at(definition),
            "hyperparameters": dict(submission.hyperparameters),
            "environment": dict(definition.environment),
            "channels": [_channel(channel) for channel in definition.channels],
            "output_path": definition.output_path,
            "output_compression": definition.output_compression,
            "checkpoint_uri": definition.checkpoint_uri,
            "checkpoint_local_path": definition.checkpoint_local_path,
            "max_runtime_seconds": definition.max_runtime_seconds,
            "spent_seconds": submission.spent,
            "grace_seconds": definition.grace_seconds,
            "instance_type": definition.instance_type,
            **_instances(definition),
            "entrypoint": list(definition.entrypoint),
            "arguments": list(definition.arguments),
            "own_checkpoints": definition.own_checkpoints,
        }
        content["digest"] = match.digest(content)
        return cls(content, definition.resources, definition.containers, submission.log_offset)

    def on(self, node: Node) -> dict[str, Any]:
        """The specification on a node, as JSON data."""
        content, refusal = self.content, ""
        image, hyperparameters, own = (
            content[name] for name in ("requested_image", "hyperparameters", "environment")
        )
        kind = program_of(image, hyperparameters).kind
        as_image = runs_as_image(kind, image, self.containers)
        try:
            installed = None if self.program is None else False  # where it lay says nothing here
            program = (
                Program(()) if as_image else resolve(image, hyperparameters, own, node, installed=installed)
            )
        except InputError as error:
            program, refusal = Program(()), str(error)
        return {
            **content,
            **self._placed(),
            "refusal": refusal,
            "command": program.command,
            "entry": program.entry,
            "source": program.source,
            "in_code": program.in_code,
            "declared": program.declared,
            "script": program.script,
            "program_python": program.interpreter or node.interpreter,
            "named_python": is_named(own, node.environment),
            "takes_arguments": program.takes_arguments,
            "python": program.python,
            "function": program.function,
            "python_path": node.library if program.needs_library else "",
            "interpreter": node.interpreter,
            "transfer_path": node.library,
            "image": None if as_image is False else image,
            "image_if_present": as_image is None,
            "finds_paths": finds_paths(kind),
            **({"elsewhere": True} if node.elsewhere else {}),
        }

    def _placed(self) -> dict[str, Any]:
        """The members that name data which lies elsewhere on the node."""
        if not self.places:
            return {}
        channels = [
            {**each, "uri": self.places.get(each["uri"], each["uri"])} for each in self.content["channels"]
        ]
        variables = dict(self.content["environment"])
        if (function := self.places.get(variables.get(FUNCTION_VARIABLE, ""))) is not None:
            variables[FUNCTION_VARIABLE] = function
        return {"channels": channels, "environment": variables}


def needs_files_of_the_host(definition: TrainingJobDefinition) -> str | None:
    """What of the tuner's host an attempt could not do without, though no snapshot of it is taken; None if
    there is nothing: it has to be on every node at the same path.
    """
    program = definition.program
    if definition.snapshot is None and program.kind is ProgramKind.FILE:
        path = definition.training_image.removeprefix("file://")
        return None if is_installed(path) else path
    return None


def _instances(definition: TrainingJobDefinition) -> dict[str, Any]:
    """How many processes of the program run, where that is not one."""
    if processes(definition) == 1:
        return {}
    return {
        "instance_count": definition.instance_count,
        "instance_groups": [asdict(group) for group in definition.instance_groups],
    }


_NEWER = ("data_type", "attribute_names", "shuffle_seed", "instance_group_names")


def _channel(channel: Channel) -> dict[str, Any]:
    """A channel as JSON data. What earlier versions did not have is left out where it says nothing, so that
    their attempts are recognised.
    """
    content = asdict(channel)
    for each in fields(channel):
        if each.name in _NEWER and content[each.name] == each.default:
            del content[each.name]
    return content


def _checkpoints_at(definition: TrainingJobDefinition) -> str | None:
    """Where a program is to find its checkpoints, if that is not below `/opt/ml`."""
    if definition.checkpoint_uri is None or not finds_paths(definition.program.kind):
        return None
    return elsewhere(definition.checkpoint_local_path)
