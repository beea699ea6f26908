"""The supervisor of one attempt: it starts the program, enforces its limits, ends it and records how it
ended.

One small process for each running trial. It outlives the tuner and reads requests from the attempt's
directory (`record.py` lists the files), so any later tuner can take over. SIGTERM asks it to end the program,
SIGQUIT to do so at once; both also make it look at the directory now rather than at its next tick.

Standard library only, and few modules of it: its CPU time is paid once a trial.
"""

from __future__ import annotations

import os
import signal
import time

from hpt.executors import (
    artifacts,
    channels,
    checked,
    checkpoint,
    contract,
    environment,
    hosts,
    limits,
    outcome,
    process,
    record,
)
from hpt.executors import child as launch
from hpt.executors.attempt_lock import take_lock, was_started
from hpt.executors.drain import Drain, Log
from hpt.executors.launcher import Launcher, complain
from hpt.executors.mirror import Mirror
from hpt.host.clock import SteadyClock
from hpt.host.files import fsync_directory
from hpt.host.identity import ProcessIdentity
from hpt.host.private import open_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from hpt.executors.feeder import Feeder
    from hpt.executors.instances import Cluster, Feeders

TICK = 0.5
"""Seconds between looks at the directory and the log; lines of the log's index are this far apart."""

SIGNALS = frozenset({signal.SIGCHLD, signal.SIGTERM, signal.SIGQUIT, signal.SIGINT, signal.SIGHUP})
"""What a supervisor waits for, or (the last two) must not die of; blocked from its first moment."""

TRANSFER_LOG = "transfer.log"


def main(directory: str) -> NoReturn:
    """Supervise the attempt, unless another supervisor does or did.

    The exit code is an errno if the attempt could not even be marked as started.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    code = 0
    try:
        if take_lock(directory) is not None and not was_started(directory):
            Supervisor(directory).run()
    except OSError as error:
        code = error.errno or 255
    except Exception:
        complain()
        code = 255
    os._exit(code)  # the interpreter's own shutdown costs milliseconds and is not needed


class Supervisor:
    """The course of one attempt. Creating it writes the marker that this attempt was started.

    durable: the marker and the exit record outlive a power cut.
    """

    durable = True

    def __init__(self, directory: str, token: str = "") -> None:
        """token: marks the processes of the attempt; drawn if it is left out."""
        self.directory = directory
        self.base = os.path.join(os.path.dirname(os.path.dirname(directory)), "ml")
        self.ending = outcome.Ending()
        self.began: float | None = None
        self.signalled: set[str] = set()  # stop requests that came as signals
        self.variables: dict[str, str] = {}
        self.metrics: Any = None  # what carries the metrics file over into the log, once there is such a file
        self.cluster: Cluster | None = None  # the hosts of the attempt, where there are several
        self.drain: Drain | Cluster | None = None  # carries what the program prints into the log
        self.program = launch.Program([], "")
        self.container: Any = None  # in which the program runs, if it is an image
        self.limits: limits.Limits | None = None  # what the program runs under, while it runs
        self.feeder: Feeder | Feeders | None = None  # feeds the Pipe channels
        self.fault = "its record spec.json is missing"
        self.spec: dict[str, Any] = {}
        try:
            self.spec = checked.read_spec(directory) or {}
        except checked.DamagedRecordError as error:
            self.fault = str(error)
        self.mirror = Mirror(self.spec, lambda: self._launch_transfer("mirror"))
        self.clock = SteadyClock.of(self.spec.get("clock"))
        self.phases = record.PhaseRecord(self._path(record.PHASES), self.clock)
        self.log = self._open(record.LOG)
        followed = self._open(record.RESULTS) if self.spec.get("function") else self.log
        self.index = record.LogIndex(followed, directory, self.clock, by_program=followed != self.log)
        self.exit_record = record.ExitRecord(directory, durable=self.durable)
        self.token = token or os.urandom(16).hex()
        self.launcher = Launcher(directory, self.token, self._install)
        marker = {**ProcessIdentity.current().to_json(), "token": self.token, "time": self.clock()}
        record.write_json(self._path(record.STARTED), marker, durable=self.durable)
        for parent in (os.path.dirname(directory), os.path.dirname(self.base)) if self.durable else ():
            fsync_directory(parent)

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def _open(self, name: str) -> int:
        return open_private(self._path(name), os.O_RDWR | os.O_CREAT | os.O_APPEND)

    def run(self) -> None:
        """Everything from the marker to the exit record."""
        launch.become_subreaper()
        self.phases.enter("Starting")
        try:
            result = self._course()
        except contract.ContractError as error:
            result = outcome.failed(str(error))
        except launch.LaunchError as error:
            reason = self._as_the_user_named(str(error))
            result = outcome.lost(reason) if error.ours else outcome.failed(reason)
        except Exception as error:
            complain()
            result = outcome.lost(f"the training job could not be kept running: {error}")
        self._end_descendants()
        self._lift(self.limits)
        self.launcher.clear()
        self.index.note()
        self.phases.enter("Ended")
        if self.phases.cut_short:
            result = outcome.lost(record.CUT_SHORT)
        result |= {"stopped": self.ending.stopped, "timed_out": self.ending.timed_out}
        result |= {"started": self.began, "ended": self.clock()}
        if self.spec and (self.ending.stopped or result["outcome"] == record.LOST):
            result["checkpoint"] = checkpoint.covered_offset(self.directory, self.base, self.spec)
        self.exit_record.write(result)

    def _course(self) -> dict[str, Any]:
        spec = self.spec
        if not spec:
            return outcome.lost(f"what to run could not be read: {self.fault}")
        if spec["refusal"]:
            return outcome.failed(spec["refusal"])
        if hosts.count(spec) > 1:
            from hpt.executors.instances import Cluster  # few training jobs have several, and it imports more

            self.cluster = Cluster(self)
        self._prepare()
        self.variables = self._environment()
        if spec.get("function"):
            self.variables["HPT_RESULTS_FILE"] = self._path(record.RESULTS)
        self._look(self.ending)
        if not self.ending.begun and outcome.needs_transfer(spec):
            self.phases.enter("Downloading")
            failure = self._download()
            if failure is not None:
                return failure
        if self.ending.begun:
            return outcome.not_started()
        result = self._store(self._run_program())
        if self.mirror.log_is_due:
            self._transfer("log", outcome.Ending(accepts_stop=False))
        return result

    def _run_program(self) -> dict[str, Any]:
        spec = self.spec
        if self.cluster is not None:
            self.cluster.find_programs()  # before it is what is waited for: an installation may come first
        else:
            self.program = self.launcher.program_of(self.base, spec, self.variables)
            self.container = self.program.container
        self.began = self.clock()
        limit = spec["max_runtime_seconds"]
        deadline = None if limit is None else time.monotonic() + limit - spec["spent_seconds"]
        if channels.need_feeder(spec):
            self.feeder = self._feed()
        pid = self._begin()
        self.phases.enter("Training")
        self.mirror.begin()
        status = self._attend(pid, self.ending, spec["grace_seconds"], deadline)
        if self.cluster is not None:
            self.cluster.note_end(asked=self.ending.begun)
        if self.container is not None:
            self.container.note_end(status, asked=self.ending.begun)
        kept, self.limits = self.limits, None
        left = self._end_descendants()
        if self.drain is not None:
            self.drain.finish()
        self._carry_metrics(last=True)
        self.index.note()
        if self.mirror.copies:  # what was written since; failing is no reason to lose the result
            self._transfer("checkpoints", outcome.Ending(accepts_stop=False))
        if self.cluster is not None:
            result = self.cluster.outcome(self.ending, kept)
        else:
            result = outcome.of_program(self.base, self._path(record.LOG), status, self.ending, spec, kept)
            if self.container is not None and not self.ending.begun:
                result |= self.container.outcome(status)
        self._lift(kept)
        starved = None if self.feeder is None or self.ending.begun else self.feeder.failure()
        if starved is not None:
            result = starved
        ended_well = result["exit_code"] == 0 and not self.ending.begun
        if spec.get("function") and ended_well and not os.path.getsize(self._path(record.RESULTS)):
            result |= outcome.failed(outcome.NO_VALUE)
        if self.launcher.refused and result["reason"] and not self.ending.begun:
            result["reason"] += f"; its training directory is not at /opt/ml: {self.launcher.refused}"
        if left:
            result["reason"] += f"; {left} of its processes could not be killed"
        return result

    def _prepare(self) -> None:
        if self.cluster is not None:
            self.cluster.prepare()
        else:
            contract.prepare(self.base, self.spec)
            channels.provide(self.base, self.spec)

    def _environment(self) -> dict[str, str]:
        """The program's environment; on the first host, where there are several."""
        if self.cluster is not None:
            return self.cluster.set_variables()
        variables = environment.build(self.base, self.spec, self.token, os.environ)
        variables["HPT_METRICS_FILE"] = self._path(record.METRICS)
        return variables

    def _feed(self) -> Feeder | Feeders:
        """Start to feed the Pipe channels."""
        if self.cluster is not None:
            return self.cluster.feed()
        from hpt.executors.feeder import Feeder  # few programs read streams

        return Feeder(self.directory, self.base, self.spec, self.variables)

    def _begin(self) -> int:
        """Start the program; returns its process id."""
        if not self.launcher.in_container:  # the engine sets those of a container
            self.limits = limits.Limits(self.spec)
            self.limits.begin()
            self.launcher.limits = self.limits
        if self.cluster is not None:
            self.drain = self.cluster
            return self.cluster.begin()
        self.drain = Drain(Log(self.log), self.index.wrote, self.directory)
        try:
            return self.launcher.start(self.program, self.base, self.spec, self.variables, self.drain.input)
        finally:
            self.drain.close_input()

    def _lift(self, kept: limits.Limits | None) -> None:
        """The program has ended, and with it what it ran under."""
        if kept is not None:
            kept.close()

    def _answer(self) -> int | None:
        """The program's wait status where it is known though its process goes on."""
        return None

    def _ask_to_end(self, pid: int) -> None:
        if (cluster := self._watched) is not None:
            cluster.ask_to_end()
        else:
            process.send(pid, signal.SIGTERM)

    @property
    def _watched(self) -> Cluster | None:
        """The hosts while the program runs on several: no other process is waited for then."""
        runs = self.drain is self.cluster and self.cluster is not None and not self.cluster.has_ended
        return self.cluster if runs else None

    def _died_of_sigterm(self, status: int) -> bool:
        if self.cluster is not None and self.drain is self.cluster:
            return self.cluster.died_of_sigterm()
        return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGTERM

    def _end_descendants(self) -> int:
        """End whatever the program left running; returns how many could not be killed."""
        if self.cluster is not None:
            self.cluster.end_containers()
        if self.container is not None:
            self.container.end()
        return process.kill_descendants()

    def _install(self, arguments: list[str]) -> str:
        """Make an environment; returns why it could not be made. Its time is not the program's."""
        from hpt.executors import script_mode

        if not outcome.needs_transfer(self.spec):
            self.phases.enter("Downloading")
        log = self._path(script_mode.INSTALL_LOG)
        pid = self._launch_helper("hpt.executors.environments", arguments, log)
        status = self._attend(pid, self.ending, 0.0, None)
        process.kill_descendants()
        if self.ending.begun:
            raise contract.ContractError(outcome.not_started()["reason"])
        return "" if status == 0 else script_mode.reason(log) or outcome.how_it_ended(status)

    def _store(self, result: dict[str, Any]) -> dict[str, Any]:
        """Store model and output; the model of a failed run is not stored (behaviour 16.4)."""
        spec = self.spec
        model, data = os.path.join(self.base, "model"), os.path.join(self.base, "output/data")
        failed = result["exit_code"] != 0 and not self.ending.begun
        if self.cluster is not None:
            try:
                for part in ("output/data",) if failed else ("output/data", "model"):
                    self.cluster.merge(part)
            except OSError as error:
                return outcome.lost(f"the results of the hosts could not be put together: {error}")
        parts = [
            (part, path) for part, path in (("model", model), ("output", data)) if contract.holds_files(path)
        ]
        if failed:
            parts = [entry for entry in parts if entry[0] != "model"]
        if spec["output_path"] is None:
            return result | {"model": model if ("model", model) in parts else None}
        if not parts:
            return result
        self.phases.enter("Uploading")
        try:
            compression = spec.get("output_compression", artifacts.GZIP)
            stays = bool(spec.get("elsewhere")) and not contract.is_remote(spec["output_path"])
            what = spec["output_path"], spec["name"], self.directory, parts, compression
            places = artifacts.store(*what, stays=stays)
        except OSError as error:
            artifacts.discard(self.directory)
            return outcome.lost(f"the results could not be stored in {spec['output_path']}: {error}")
        if contract.is_remote(spec["output_path"]):
            failure = self._transfer("upload", outcome.Ending(accepts_stop=False))
            artifacts.discard(self.directory)
            if failure is not None:
                return failure
        return result | {"model": places.get("model")}

    def _as_the_user_named(self, message: str) -> str:
        """A message about a program with the path of the program itself in place of its copy's."""
        source = self.spec["source"]
        if not self.spec["in_code"] or source is None or not os.path.isdir(source):
            return message
        program = os.path.join(self.base, "code", self.spec["entry"])
        return message.replace(program, os.path.join(source, self.spec["entry"]))

    # -- waiting --------------------------------------------------------------------------------------------

    def _attend(self, pid: int, ending: outcome.Ending, grace: float, deadline: float | None) -> int:
        """Wait for a child's end while keeping its limits and the log's index; returns its wait status.

        When the first process of a program that is to end died of SIGTERM without passing it to its children
        (as a shell does), they get the signal too, and the rest of the grace period.
        """
        status: int | None = None
        signalled_all = False
        while True:
            ended = process.reap()
            if ended:
                cluster = self._watched
                status = ended.get(pid, status) if cluster is None else cluster.take(ended, ending)
                self.mirror.take(ended)
                if self.feeder is not None and self.feeder.has_failed(ended) and status is None:
                    process.signal_descendants(signal.SIGKILL)
            if status is None:
                status = self._answer()
            if status is not None:
                self.mirror.end()
                if self.feeder is not None:
                    self.feeder.end()
                spared = ending.ends and not ending.killed and self._died_of_sigterm(status)
                if not spared or process.reap() is None:
                    return status
                if not signalled_all:
                    signalled_all = True
                    process.signal_descendants(signal.SIGTERM)
            self._keep_limits(pid, ending, grace, deadline)
            self._carry_metrics()
            self.index.note()
            self.mirror.look()
            self._wait([deadline, ending.kill_at, None if self.limits is None else self.limits.moment()])

    def _keep_limits(self, pid: int, ending: outcome.Ending, grace: float, deadline: float | None) -> None:
        now = time.monotonic()
        urgent = self._look(ending)
        if not ending.ends and deadline is not None and now >= deadline:
            ending.timed_out = True
        if ending.ends and ending.kill_at is None:
            if ending.begun:
                self.phases.enter("Stopping")
            ending.kill_at = now + record.granted(self.directory, grace)
            if not urgent:
                self._ask_to_end(pid)
        if not ending.killed and (urgent or (ending.kill_at is not None and now >= ending.kill_at)):
            ending.killed = True
            process.signal_descendants(signal.SIGKILL)
        if self.limits is not None and self.limits.exceeded(self.mirror.pid):
            process.signal_descendants(signal.SIGKILL)

    def _carry_metrics(self, *, last: bool = False) -> None:
        if self.cluster is not None:
            self.cluster.carry_metrics(last=last)
            return
        if self.metrics is None and os.path.isfile(path := self._path(record.METRICS)):
            from hpt.executors.metrics_file import MetricsFile  # few programs have one, and it imports more

            self.metrics = MetricsFile(path, self.log, self.index.wrote)
        if self.metrics is not None:
            self.metrics.carry(last=last)

    def _look(self, ending: outcome.Ending) -> bool:
        """Take note of stop requests; returns whether the end is to come at once."""
        urgent = self._asked(record.STOP_NOW)
        owner = self.spec.get("owner")
        if owner is not None and ProcessIdentity.from_json(owner).lives() is False:
            self.signalled.add(record.STOP)  # no process is left to read the result
        counts = ending.accepts_stop and not ending.timed_out and not ending.failed
        if counts and (urgent or self._asked(record.STOP)):
            ending.stopped = True
        return urgent

    def _asked(self, name: str) -> bool:
        return name in self.signalled or os.path.exists(self._path(name))

    def _wait(self, moments: list[float | None]) -> None:
        """Sleep until a signal, the next of the moments or the next tick."""
        now = time.monotonic()
        due = [moment - now for moment in moments if moment is not None and moment > now]
        received = signal.sigtimedwait(SIGNALS, min([TICK, *due]))
        if received is None or received.si_signo not in (signal.SIGTERM, signal.SIGQUIT):
            return
        self.signalled.add(record.STOP if received.si_signo == signal.SIGTERM else record.STOP_NOW)

    def _download(self) -> dict[str, Any] | None:
        """Fetch what the program needs; as `_transfer`."""
        failure = self._transfer("download", self.ending)
        for host in self.cluster.downloads() if self.cluster is not None else ():
            if failure is None and not self.ending.begun:
                failure = self._transfer("download", self.ending, host.number - 1, host.base)
        return failure

    def _transfer(
        self, what: str, ending: outcome.Ending, host: int = 0, base: str = ""
    ) -> dict[str, Any] | None:
        """Run the transfer program; None if it went well or was stopped, else how the attempt ended."""
        status = self._attend(self._launch_transfer(what, host, base), ending, 0.0, None)
        process.kill_descendants()
        if what != "download":
            self.mirror.log_is_due = False  # they bring it along
        if status == 0 or ending.begun:
            return None
        said = outcome.last_line(self._path(TRANSFER_LOG)) or outcome.how_it_ended(status)
        reason = f"the {what} failed: {said}"
        theirs = os.WIFEXITED(status) and os.WEXITSTATUS(status) == contract.TRANSFER_REFUSED
        return outcome.failed(reason) if theirs else outcome.lost(reason)

    def _launch_transfer(self, what: str, host: int = 0, base: str = "") -> int:
        count = hosts.count(self.spec)
        arguments = [what, self.directory, base or self.base, str(host), str(count)]
        log = self._path(TRANSFER_LOG)
        instead = None
        if self.spec.get("elsewhere") and what != "mirror":  # which is to be gone once it is waited for
            from hpt.executors.transfer_client import Ask  # others do without

            instead = Ask(arguments, self.variables, self.directory, log)
        return self._launch_helper("hpt.executors.s3_transfer", arguments, log, instead)

    def _launch_helper(
        self, module: str, arguments: list[str], log: str, instead: Callable[[], int | None] | None = None
    ) -> int:
        """Start a module of hpt in a process of its own that prints into a log. instead: as for `launch`."""
        output = open_private(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            command = [self.spec["interpreter"], "-m", module, *arguments]
            packages = os.pathsep.join(
                filter(None, [self.spec["transfer_path"], os.environ.get("PYTHONPATH")])
            )
            variables = self.variables | {"PYTHONPATH": packages}
            return launch.launch(command, variables, self.directory, output, instead=instead)
        finally:
            os.close(output)
