"""The hosts of an attempt with several: each is a process of the program with a training directory of its
own (behaviour 16.5).

All run on this machine, under one supervisor. They end together: the first that fails has the others asked to
end, with the grace period, and it says how the attempt ended.

Standard library only: the supervisor imports this, for training jobs of several hosts.
"""

from __future__ import annotations

import errno
import os
import signal

from hpt.executors import channels, contract, environment, hosts, outcome, process, record
from hpt.executors import child as launch
from hpt.executors.drain import LineDrain, SharedLog
from hpt.executors.feeder import Feeder
from hpt.executors.host_names import HostNames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from hpt.executors.limits import Limits
    from hpt.executors.supervisor import Supervisor

_IN_USE = os.strerror(errno.EADDRINUSE)

NAMES = "hosts"
"""The file of an attempt that lies over /etc/hosts while it runs."""


class Host:
    """One host. status: its program's wait status, once it has ended."""

    def __init__(self, number: int, base: str, spec: dict[str, Any]) -> None:
        self.number, self.base, self.spec = number, base, spec
        self.variables: dict[str, str] = {}
        self.program = launch.Program([], "")
        self.pid = 0
        self.status: int | None = None
        self.log = ""
        self.drain: LineDrain | None = None
        self.index: record.LogIndex | None = None
        self.metrics: Any = None  # what carries its metrics file into the log, once there is one


class Feeders:
    """The feeders of Pipe channels, one for each host that has some, as if they were one."""

    def __init__(self, feeders: list[Feeder]) -> None:
        self._feeders = feeders

    def has_failed(self, ended: dict[int, int]) -> bool:
        """As that of `Feeder`, of any."""
        failed = [each.has_failed(ended) for each in self._feeders]  # each is to look
        return any(failed)

    def end(self) -> None:
        """End all."""
        for each in self._feeders:
            each.end()

    def failure(self) -> dict[str, Any] | None:
        """As that of `Feeder`, of the first that failed."""
        return next((found for each in self._feeders if (found := each.failure()) is not None), None)


class Cluster:
    """The hosts of the attempt of a supervisor."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._count = hosts.count(supervisor.spec)
        self._names: HostNames | None = None
        self._failed: Host | None = None  # the first that failed by itself
        self._over: list[str] = []  # the names of those that had ended when the limit was reached
        self.hosts: list[Host] = []

    # -- before the program ---------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Build every host's training directory. Raises as `contract.prepare`."""
        supervisor = self._supervisor
        self._names = HostNames(self._count, os.path.join(supervisor.directory, NAMES))
        for number in range(1, self._count + 1):
            base = hosts.training_directory(supervisor.base, number)
            spec = hosts.as_host(supervisor.spec, number, self._names.names, self._names.port)
            addresses = self._names.addresses
            spec["host"]["addresses"] = {hosts.name_of(each): addresses[each] for each in addresses}
            if number > 1:  # one directory for all, as all would be synchronised with the same URI
                spec["shared_checkpoints"] = contract.checkpoint_store(supervisor.base, spec)
            self.hosts.append(Host(number, base, spec))
        for host in self.hosts:
            contract.prepare(host.base, host.spec)
            for part, index, total in hosts.shares(supervisor.spec, host.spec):
                channels.provide(host.base, part, index, total)
            self._share_downloads(host)

    def _share_downloads(self, host: Host) -> None:
        """Link what another host downloads, so that it is fetched and kept once."""
        for channel in host.spec["channels"]:
            alike = channel["distribution"] == hosts.FULLY_REPLICATED and not channels.is_pipe(channel)
            if not alike or not channels.needs_download([channel]):
                continue
            owner = hosts.receivers(self._supervisor.spec, channel)[0]
            if owner != host.number:
                place = os.path.join(host.base, "input/data", channel["name"])
                theirs = hosts.training_directory(self._supervisor.base, owner)
                contract.replace_by_link(place, os.path.join(theirs, "input/data", channel["name"]))

    def downloads(self) -> Iterator[Host]:
        """The hosts beside the first that have something of their own to download."""
        for host in self.hosts[1:]:
            if channels.needs_download(hosts.own_downloads(self._supervisor.spec, host.spec)["channels"]):
                yield host

    def set_variables(self) -> dict[str, str]:
        """The environment of every host's program; returns that of the first."""
        supervisor = self._supervisor
        for host in self.hosts:
            host.variables = environment.build(host.base, host.spec, supervisor.token, os.environ)
            host.variables["HPT_METRICS_FILE"] = self._metrics_file(host)
        return self.hosts[0].variables

    def _path(self, name: str) -> str:
        return os.path.join(self._supervisor.directory, name)

    def _metrics_file(self, host: Host) -> str:
        name = record.METRICS if host.number == 1 else hosts.own_file(record.METRICS, host.number)
        return self._path(name)

    # -- while the program runs -----------------------------------------------------------------------------

    def find_programs(self) -> None:
        """Fill every host's working directory and find out what runs there.

        Raises:
            ContractError: its code cannot be put there, or what that needs cannot be installed.
        """
        for host in self.hosts:
            host.program = self._supervisor.launcher.program_of(host.base, host.spec, host.variables)

    def begin(self) -> int:
        """Start the program on every host; returns the process id of the first.

        Raises:
            LaunchError: it cannot be run; then it runs nowhere.
        """
        supervisor = self._supervisor
        assert self._names is not None
        log = SharedLog(supervisor.log)
        try:
            for host in self.hosts:
                host.log = self._path(hosts.own_file(record.LOG, host.number))
                host.drain = LineDrain(log, host.log, supervisor.index.wrote, supervisor.directory)
                host.index = self._index(host)
                try:
                    output, binds = host.drain.input, self._names.binds
                    host.pid = supervisor.launcher.start(
                        host.program, host.base, host.spec, host.variables, output, binds
                    )
                finally:
                    host.drain.close_input()
        except BaseException:
            process.kill_descendants()
            self.finish()
            raise
        return self.hosts[0].pid

    def _index(self, host: Host) -> record.LogIndex:
        """That of a host's own log, which the streams of CloudWatch Logs are dated by."""
        log = os.open(host.log, os.O_RDONLY | os.O_CLOEXEC)
        name = hosts.own_file(record.INDEX, host.number)
        return record.LogIndex(log, self._supervisor.directory, self._supervisor.clock, name)

    def take(self, ended: dict[int, int], ending: outcome.Ending) -> int | None:
        """Take note of processes that ended; the attempt's wait status once every host has ended.

        The first host that fails while nobody asked it to end begins the end of all.
        """
        for host in self.hosts:
            if host.status is None and host.pid in ended:
                host.status = ended[host.pid]
                if host.status != 0 and not ending.ends:
                    self._failed, ending.failed = host, True
        return self._deciding().status if self.has_ended else None

    def ask_to_end(self) -> None:
        """SIGTERM to every host that has not ended."""
        running = [host for host in self.hosts if host.status is None]
        self._over = [hosts.name_of(host.number) for host in self.hosts if host.status is not None]
        for host in running:
            process.send(host.pid, signal.SIGTERM)

    def died_of_sigterm(self) -> bool:
        """Whether some host's first process did, and may have left children that know nothing of it."""
        return any(
            host.status is not None
            and os.WIFSIGNALED(host.status)
            and os.WTERMSIG(host.status) == signal.SIGTERM
            for host in self.hosts
        )

    def note_end(self, *, asked: bool) -> None:
        """Ask the engine how the containers ended. asked: as `Container.note_end`."""
        for host in self.hosts:
            if host.program.container is not None and host.status is not None:
                host.program.container.note_end(host.status, asked=asked)

    def end_containers(self) -> None:
        """Remove the containers in which hosts run, if they do."""
        found = [host.program.container for host in self.hosts if host.program.container is not None]
        for container in found:
            container.let_go()
        for container in found:
            container.end()

    def carry_metrics(self, *, last: bool = False) -> None:
        """Carry every host's metrics file over into the log, and date what each has printed."""
        for host in self.hosts:
            if host.index is not None:
                host.index.note()
            if host.metrics is None and os.path.isfile(path := self._metrics_file(host)):
                from hpt.executors.metrics_file import MetricsFile  # as in the supervisor

                host.metrics = MetricsFile(path, self._supervisor.log, self._supervisor.index.wrote)
            if host.metrics is not None:
                host.metrics.carry(last=last)

    def finish(self) -> None:
        """Wait for the last that was printed; nothing is left that prints."""
        for host in self.hosts:
            if host.drain is not None:
                host.drain.finish()

    @property
    def has_ended(self) -> bool:
        """Whether every host has ended."""
        return all(host.status is not None for host in self.hosts)

    def feed(self) -> Feeders:
        """Start to feed the Pipe channels of every host."""
        directory = self._supervisor.directory
        return Feeders(
            [
                Feeder(directory, host.base, host.spec, host.variables, host.number - 1, self._count)
                for host in self.hosts
                if channels.need_feeder(host.spec)
            ]
        )

    # -- after the program ----------------------------------------------------------------------------------

    def _deciding(self) -> Host:
        """The host that says how the attempt ended: the first that failed, else one without exit code 0."""
        bad = [host for host in self.hosts if host.status != 0]
        return self._failed or next(iter(bad), self.hosts[0])

    def outcome(self, ending: outcome.Ending, limits: Limits | None) -> dict[str, Any]:
        """`outcome`, `exit_code` and `reason` of the exit record."""
        host = self._deciding()
        assert host.status is not None
        result = outcome.of_program(host.base, host.log, host.status, ending, self._supervisor.spec, limits)
        if host.program.container is not None and not ending.begun:
            result |= host.program.container.outcome(host.status)
        if result["reason"]:
            result["reason"] = f"{hosts.name_of(host.number)}: {result['reason']}"
        if _IN_USE in result["reason"]:
            result["reason"] += (
                "; all hosts are on this machine: bind to the host's name, not to all addresses"
            )
        if ending.timed_out and self._over:
            result["reason"] += f"; {', '.join(self._over)} had ended before"
        return result

    def merge(self, part: str) -> None:
        """Move what all hosts left below `model` or `output/data` to the first, in the order of hosts.

        Of files with the same name the last host's stays.

        Raises:
            OSError: something could not be moved.
        """
        target = os.path.join(self._supervisor.base, part)
        for host in self.hosts[1:]:
            _move_into(os.path.join(host.base, part), target)


def _move_into(source: str, target: str) -> None:
    """Move the entries of a directory into another, file by file; what is in the way is replaced."""
    try:
        entries = sorted(os.scandir(source), key=lambda entry: entry.name)
    except FileNotFoundError:
        return  # the program removed it
    os.makedirs(target, exist_ok=True)
    for entry in entries:
        place = os.path.join(target, entry.name)
        both = entry.is_dir(follow_symlinks=False) and os.path.isdir(place)
        if both and not os.path.islink(place):
            _move_into(entry.path, place)
            continue
        if os.path.lexists(place):
            contract.remove(place)
        try:
            os.rename(entry.path, place)
        except OSError:  # the program put another file system there
            import shutil

            shutil.move(entry.path, place)
