"""Brings programs and data to a node before an attempt is started there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpt.errors import ExecutorError
from hpt.executors import snapshot
from hpt.executors.base import Submission
from hpt.executors.contract import local_path
from hpt.executors.order import FUNCTION_VARIABLE
from hpt.fleet.followed import packed
from hpt.fleet.nodes import Node
from hpt.fleet.parcels import Parcel, Parcels, read_part
from hpt.fleet.portable import is_sent
from hpt.job.program_kind import ProgramKind

Call = Callable[..., None]
"""Makes a call: the node's identity, what hears of its end, the agent's method and its arguments."""


@dataclass(frozen=True, slots=True)
class Sending:
    """job: the directory of the tuning job."""

    job: Path
    call: Call

    def program(self, node: Node, digest: str, end: Callable[[str, Any], None]) -> None:
        """Send the snapshot of a program, unless it is there. end: called with how that ended and why."""

        def there(how: str, result: Any) -> None:
            if how == "done" and not result:
                try:
                    content = packed(self.job / snapshot.PLACE, digest)
                except ExecutorError as error:
                    end("failed", error)
                    return
                self.call(node.id, came, "put", digest, *content)
            else:
                came(how, result)

        def came(how: str, result: Any) -> None:
            if how == "done":
                node.programs.add(digest)
            end(how, result)

        self.call(node.id, there, "has", digest)

    def parcel(self, node: Node, parcel: Parcel, end: Callable[[str, Any], None]) -> None:
        """Send a parcel, part by part, unless it is there. end: as `program`."""

        def came(how: str, result: Any) -> None:
            if how == "done" and result >= 0:
                try:
                    data = read_part(parcel, result)
                except OSError as error:
                    end("failed", ExecutorError(f"{parcel.name} cannot be read: {error.strerror}"))
                    return
                self.call(node.id, came, "take", parcel.digest, result, data)
                return
            if how == "done":
                node.programs.add(parcel.digest)
            end(how, result)

        self.call(node.id, came, "wants", parcel.digest)


def parcels_of(parcels: Parcels, submission: Submission) -> dict[str, Parcel]:
    """What of this host is sent to the node, by what the order calls it. Raises as `Executor.submit`."""
    definition = submission.definition
    paths = {each.uri: local_path(each.uri) for each in definition.channels if is_sent(each)}
    if definition.program.kind is ProgramKind.FUNCTION:
        function = definition.environment[FUNCTION_VARIABLE]
        paths[function] = function
    found = {uri: parcels.of(Path(path)) for uri, path in paths.items()}
    return {uri: parcel for uri, parcel in found.items() if parcel is not None}
