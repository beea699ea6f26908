"""Puts a program into its working directory and starts it: on this host, with the paths of a container where
it needs them, or in one.

Standard library only: the supervisor imports this.
"""

from __future__ import annotations

import os
import sys

from hpt.executors import child as launch
from hpt.executors import contract, copies, entrypoint, environment, hosts, own_paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from hpt.executors.limits import Limits


class Launcher:
    """Starts the program of an attempt, once or once for each of its hosts.

    refused: why the program does not find its training directory at /opt/ml, "" if it does or need not.
    in_container: whether a program runs in a container. limits: what a program runs under that does not: the
    engine keeps those of a container.
    """

    def __init__(self, directory: str, token: str, install: Callable[[list[str]], str]) -> None:
        """Nothing is started yet.

        directory: the attempt's own. token: marks its processes. install: makes the environment of a script,
        see `script_mode.with_environment`.
        """
        self._directory, self._token, self._install = directory, token, install
        self._filled: list[tuple[str, dict[str, Any], os.stat_result]] = []  # folders and what by
        self.refused = ""
        self.in_container = False
        self.limits: Limits | None = None

    def program_of(self, base: str, spec: dict[str, Any], variables: dict[str, str]) -> launch.Program:
        """What runs on a host, given its training directory, in which the working directory is filled, and
        what to run there. variables: its environment, to which the interpreter of a script adds its own.
        """
        source = spec["source"]
        if source is not None and contract.is_remote(source):
            source = os.path.join(hosts.first_directory(base), contract.DOWNLOADED_SOURCE)
        directory = os.path.join(base, "code")
        manifest = contract.prepare_code(
            base,
            source,
            spec["entry"],
            declared=spec.get("declared", spec["in_code"]),  # earlier versions wrote the one for both
            snapshot=spec.get("snapshot"),
        )
        if manifest is not None:
            self._filled.append((directory, manifest, os.stat(directory)))
        if spec.get("image") is not None and (found := self._in_container(base, spec)):
            return found
        if spec.get("script"):
            command = self._script(directory, spec, variables)
        else:
            command = list(spec["command"])
        if spec["in_code"] and not spec.get("script"):
            command[-1] = os.path.join(directory, command[-1])
        if os.path.isabs(command[-1]) and not os.path.lexists(command[-1]):
            raise contract.ContractError(f"the program {command[-1]} is not found")
        if entrypoint.is_given(spec):
            return launch.Program(entrypoint.command(spec, command), directory)
        if spec["takes_arguments"]:
            own, _ = environment.split_hyperparameters(spec["hyperparameters"])
            command += environment.arguments(own)
        return launch.Program(command, directory)

    def _script(self, code: str, spec: dict[str, Any], variables: dict[str, str]) -> list[str]:
        """The command of script mode, once all that its source asks for is installed."""
        from hpt.executors import script_mode  # other programs do without

        python = script_mode.with_environment(spec, code, self._install)
        variables |= script_mode.with_path(variables, python, code)
        return script_mode.command(code, spec["entry"], python)

    def _in_container(self, base: str, spec: dict[str, Any]) -> launch.Program | None:
        """What runs the image; None where this host has no such image and needs none."""
        from hpt.executors.container import Container  # programs of this host do without

        container = Container(self._directory, base, spec, self._token)
        if spec.get("image_if_present") and not container.has_image():
            return None
        command, variables = container.command()
        self.in_container = True
        return launch.Program(list(command), container.place, container, variables)

    def start(
        self,
        program: launch.Program,
        base: str,
        spec: dict[str, Any],
        variables: dict[str, str],
        output: int,
        binds: list[tuple[str, str]] | None = None,
    ) -> int:
        """Start a program; returns its process id.

        Parameters
        ----------
        program
            It, see `program_of`.
        base, spec
            The training directory of its host, and what to run there.
        variables
            Its environment, unless it runs in a container.
        output
            What receives its output.
        binds
            What it needs to see at other paths besides those of its training directory.

        Raises
        ------
        launch.LaunchError
            It cannot be run.
        contract.ContractError
            It cannot be given its checkpoints where it looks for them.
        """
        if program.container is not None:
            return launch.launch(program.command, program.variables, program.directory, output)
        needed, limit = binds or [], None if self.limits is None else self.limits.apply
        directory = program.directory
        found = own_paths.binds(base, spec, program.command, os.environ.get(own_paths.VARIABLE, ""))
        try:
            binds = [*needed, *found]
            return launch.launch(program.command, variables, directory, output, limit=limit, binds=binds)
        except launch.IsolationError as error:
            if spec.get("checkpoints_at") is not None:
                raise contract.ContractError(
                    f"checkpoints cannot be seen at {spec['checkpoints_at']}: {error}; use a LocalPath "
                    "below /opt/ml"
                ) from None
            self.refused = str(error)
            return launch.launch(program.command, variables, directory, output, limit=limit, binds=needed)

    def clear(self) -> None:
        """Remove the copies that the program did not change, unless it put another folder in their place."""
        for directory, manifest, filled in self._filled:
            try:
                if os.path.samestat(os.lstat(directory), filled):
                    copies.clear(directory, manifest)
            except OSError:
                complain()  # copies that stay are no reason to lose the result


def complain() -> None:
    """The exception at hand with its traceback, into the supervisor's own log, if the disk takes it."""
    try:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    except OSError:
        pass
