"""A training job in a container of the local Podman or Docker, as the service runs one (behaviour 16.1).

    /opt/ml                        the training directory
    /opt/ml/input/data/<channel>   what the links of the training directory lead to, read-only
    LocalPath                      where checkpoints are kept, read-write

The engine is the user's command, and the user's own configuration of it applies. The container is named after
the attempt's token; `container.json` is written before it is started and removed after it is, so that
whoever looks at an attempt without a supervisor knows what to remove (`container_removal`).

Few modules, as the supervisor imports this.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import time

from hpt.executors import child, contract, environment, hosts, limits, outcome, process, record
from hpt.host import container_engine
from hpt.host.container_engine import LABEL, EngineError, is_podman

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

LINKS = "input/.links"
"""Below the training directory: where the folders are mounted that a channel of many links leads to."""

_SOURCE = "sagemaker_submit_directory"

_MOST_FILE_MOUNTS = 64
_MOST_REMOVALS = 5

_PATIENCE = 30.0  # seconds for the engine to remove a container
_SETTLE = 5.0  # seconds for what the engine left running to end by itself


class Container:
    """The container of one attempt, from the supervisor's side."""

    def __init__(self, directory: str, base: str, spec: Mapping[str, Any], token: str) -> None:
        """Nothing is asked of the engine yet.

        Parameters
        ----------
        directory
            The attempt's own directory.
        base
            Its training directory.
        spec
            What to run (`hpt.executors.order.Order.on`).
        token
            Marks the processes of the attempt.

        Raises
        ------
        contract.ContractError
            There is no engine.
        """
        self._directory, self._base, self._spec = directory, base, spec
        self._who = hosts.of(spec)
        number = self._who["number"]
        self.name = f"hpt-{token}" if number == 1 else f"hpt-{token}-{number}"
        self._note = container_engine.note(number)
        self.place = self._path(os.path.splitext(self._note)[0])  # where the engine is started
        self._token = token
        try:
            self._engine = container_engine.find(os.environ)
            self._options = container_engine.options(os.environ)
        except EngineError as error:
            raise contract.ContractError(str(error)) from None
        self._host = dict(os.environ) | {process.ATTEMPT_VARIABLE: token}
        memory = spec.get("memory_bytes")
        self._memory = None if memory is None else memory // hosts.count(spec)
        self._started = False
        self._watcher, self._watched = -1, -1
        self._out_of_memory = False
        self._ended_well = False  # so that the engine removes it by itself

    def has_image(self) -> bool:
        return self._ask(["image", "inspect", "--format={{.Id}}", self._spec["image"]])[0] == 0

    def command(self) -> tuple[list[str], dict[str, str]]:
        """The command that runs the image, and the engine's own environment.

        The training directory must be complete: its links become mounts. Leaves the note that a container may
        exist.
        """
        spec, engine = self._spec, self._engine
        self._write_configuration()
        os.makedirs(self.place, exist_ok=True)
        _open_to_all(self._base)
        mounts = [(self._base, contract.CONTAINER_BASE, True), *mounts_of_links(self._base)]
        mounts += self._checkpoints()
        words = [*engine, "run", f"--name={self.name}", "--pull=never"]
        words += [f"--label={LABEL}={self._token}", f"--label={LABEL}.training-job={spec['name']}"]
        words += [f"--hostname={self._who['name']}", "--log-driver=none"]
        words += ["--security-opt=label=disable"]  # or a system with SELinux denies the mounts
        if is_podman(engine):
            words.append("--http-proxy=false")
        if self._memory is None:
            words.append("--rm")  # otherwise the engine is asked first whether the limit was reached
        if spec.get("instance_count", 1) > 1:
            if not any(word.startswith(("--network", "--net=")) for word in self._options):
                words.append("--network=host")  # the hosts are addresses of the loopback interface
            words += [f"--add-host={name}:{place}" for name, place in self._who["addresses"].items()]
        slot = {**spec, "memory_bytes": self._memory}
        words += [*container_engine.resource_options(engine, slot), *self._options]
        words += [
            f"--mount={container_engine.mount(source, at, writable=writable)}"
            for source, at, writable in mounts
        ]
        variables = program_variables(spec, self._token)
        named = [name for name in variables if name.isidentifier() and name not in self._host]
        words += [f"--env={name}" for name in named]  # a value in a command is there for everyone to read
        words += [f"--env={name}={value}" for name, value in variables.items() if name not in named]
        entrypoint, arguments = spec.get("entrypoint", []), spec.get("arguments", [])
        if entrypoint:
            words.append(f"--entrypoint={entrypoint[0]}")
        plain = [] if entrypoint else ["train"]
        words += [spec["image"], *entrypoint[1:], *(arguments or plain)]
        record.write_json(self._path(self._note), {"engine": engine, "name": self.name}, durable=True)
        self._started = True
        self._watch()
        return words, self._host | {name: variables[name] for name in named}

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, name)

    def _watch(self) -> None:
        """Have the container removed should this process die: no signal of the kernel's reaches it then. What
        it trains after that would be in its checkpoints, but not in the log.
        """
        reading, self._watched = os.pipe()
        script = 'read -r line || exec "$@"'  # only the end of the pipe ends it without a line
        self._watcher = os.posix_spawn(
            "/bin/sh",
            ["/bin/sh", "-c", script, "sh", *container_engine.removal(self._engine, self.name)],
            self._host,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, reading, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGCHLD),
        )
        os.close(reading)

    def let_go(self) -> None:
        """End what would remove it: `end` does, or has to wait for others first that end with theirs."""
        if self._watched == -1:
            return
        try:
            os.write(self._watched, b"\n")
            os.waitpid(self._watcher, 0)
        except OSError:
            pass  # somebody killed it
        os.close(self._watched)
        self._watched = -1

    def _write_configuration(self) -> None:
        """Name the places of files as the program finds them."""
        local = os.path.normpath(self._spec["checkpoint_local_path"])
        self._replace("checkpointconfig", {"LocalPath": local})
        hyperparameters = dict(self._spec["hyperparameters"])
        if self._spec["source"] is not None and _SOURCE in hyperparameters:
            place = os.path.join(contract.CONTAINER_BASE, "code")
            quoted = hyperparameters[_SOURCE].startswith('"')
            hyperparameters[_SOURCE] = json.dumps(place) if quoted else place
            self._replace("hyperparameters", hyperparameters)

    def _replace(self, name: str, content: dict[str, str]) -> None:
        path = os.path.join(self._base, "input/config", f"{name}.json")
        record.write_json(path, content, durable=False)

    def _checkpoints(self) -> list[tuple[str, str, bool]]:
        """The mount of the checkpoints, where they do not lie in the training directory at their place."""
        local = os.path.normpath(self._spec["checkpoint_local_path"])
        place = contract.checkpoint_directory(self._base, self._spec)
        if os.path.islink(place):  # leads nowhere in the container
            os.unlink(place)
            os.mkdir(place)
        elif local.startswith(contract.CONTAINER_BASE + os.sep):
            return []
        return [(contract.checkpoint_store(self._base, self._spec), local, True)]

    def note_end(self, status: int, *, asked: bool) -> None:
        """Ask the engine what only it knows, while the container is still there.

        asked: the end was asked for, which the engine may have taken for its own.
        """
        code = os.waitstatus_to_exitcode(status)
        self._ended_well = not asked and self._memory is None and 0 <= code < _REFUSALS[0]
        if self._memory is not None and code != 0:  # whatever the program made of the end of a child
            form = "--format={{.State.OOMKilled}}"
            answer, said = self._ask(["inspect", "--type=container", form, self.name])
            told = os.path.join(self.place, _OUT_OF_MEMORY)
            self._out_of_memory = (answer == 0 and said.strip() == "true") or os.path.exists(told)

    def outcome(self, status: int) -> dict[str, Any]:
        """How the attempt ended where that was not the program's own doing; empty where it was."""
        code = os.waitstatus_to_exitcode(status)
        if self._memory is not None and (self._out_of_memory or code == _KILLED):
            count = hosts.count(self._spec)
            share = "" if count == 1 else f", its share of that of {count} instances"
            return {"reason": limits.over(self._memory, share, sure=self._out_of_memory)}
        refusal = _refusal(self._path(record.LOG), code)
        if refusal is None:
            return {}
        theirs, said = refusal
        reason = f"the image {self._spec['image']} did not run: {said}"
        return outcome.failed(reason) if theirs else outcome.lost(reason)

    def end(self) -> None:
        """Remove the container with everything that runs in it, and give its files to this user."""
        if not self._started:
            return
        self._started = False
        self.let_go()
        for number in range(_MOST_REMOVALS):  # one may meet the engine's own removal, which then is cut short
            if number or not self._ended_well:
                self._run(container_engine.removal(self._engine, self.name))
            self._settle()
            if container_engine.is_gone(*self._run(container_engine.look(self._engine, self.name))):
                os.unlink(self._path(self._note))
                break
        contract.remove(self.place)
        self._reclaim()

    def _settle(self) -> None:
        """Wait for the processes by which the engine cleans up behind a container."""
        give_up = time.monotonic() + _SETTLE
        while process.living_descendants(os.getpid()) and time.monotonic() < give_up:
            signal.sigtimedwait({signal.SIGCHLD}, 0.02)
            if process.reap() is None:
                return

    def _reclaim(self) -> None:
        """Make files of other users in the training directory this user's, who could not remove them."""
        if os.geteuid() == 0 or not _holds_files_of_others(self._base):
            return
        if is_podman(self._engine):
            self._ask(["unshare", "chown", "-R", "0:0", self._base])
        else:
            owner = f"{os.geteuid()}:{os.getegid()}"
            mounted = container_engine.mount(self._base, contract.CONTAINER_BASE, writable=True)
            words = ["run", "--rm", "--pull=never", "--user=0", "--network=none", f"--mount={mounted}"]
            words += ["--entrypoint=chown", self._spec["image"], "-R", owner, contract.CONTAINER_BASE]
            self._ask(words)

    def _ask(self, words: list[str]) -> tuple[int, str]:
        return self._run([*self._engine, *words])

    def _run(self, command: list[str]) -> tuple[int, str]:
        """The exit code of the engine, and what it printed. It is killed when it takes too long."""
        printed = os.memfd_create("engine")
        try:
            pid = child.launch(command, self._host, self._directory, printed)
            give_up = time.monotonic() + _PATIENCE
            while (ended := os.waitpid(pid, os.WNOHANG))[0] == 0:
                if time.monotonic() > give_up:
                    process.send(pid, signal.SIGKILL)
                signal.sigtimedwait({signal.SIGCHLD}, 0.02)
            return os.waitstatus_to_exitcode(ended[1]), os.pread(printed, 4096, 0).decode(errors="replace")
        except child.LaunchError as error:
            return 127, str(error)
        finally:
            os.close(printed)


def program_variables(spec: Mapping[str, Any], token: str) -> dict[str, str]:
    """The environment of the program: what the service sets, the job's own, and the mark of the attempt."""
    return {
        "TRAINING_JOB_NAME": spec["name"],
        "TRAINING_JOB_ARN": environment.training_job_arn(spec["name"]),
        **spec["environment"],
        process.ATTEMPT_VARIABLE: token,
    }


def mounts_of_links(base: str) -> list[tuple[str, str, bool]]:
    """The links of the training directory that lead out of it, as mounts (path, path inside, read-write).

    A link to a folder becomes an empty folder, and one to a file an empty file: the mount's place. Where
    there are many links to files, they lead into mounts of the folders where the files lie.
    """
    mounts: list[tuple[str, str, bool]] = []
    parents: dict[str, str] = {}
    links = list(_links_out(base))
    for link in links:
        target = os.path.realpath(link)
        inside = os.path.join(contract.CONTAINER_BASE, os.path.relpath(link, base))
        os.unlink(link)
        folder = os.path.isdir(target)
        if folder or len(links) <= _MOST_FILE_MOUNTS:
            os.mkdir(link) if folder else os.close(os.open(link, os.O_CREAT | os.O_WRONLY, 0o644))
            mounts.append((target, inside, False))
            continue
        parent, name = os.path.split(target)
        if parent not in parents:
            parents[parent] = os.path.join(base, LINKS, str(len(parents)))
            os.makedirs(parents[parent])
            place = os.path.join(contract.CONTAINER_BASE, LINKS, str(len(parents) - 1))
            mounts.append((parent, place, False))
        os.symlink(os.path.relpath(os.path.join(parents[parent], name), os.path.dirname(link)), link)
    return mounts


def _links_out(base: str) -> Iterator[str]:
    """The links below `input/data` and `code` that lead out of the training directory and to something."""
    within = os.path.realpath(base) + os.sep
    for part in ("input/data", "code"):
        for place, folders, files in os.walk(os.path.join(base, part)):
            for name in (*folders, *files):
                path = os.path.join(place, name)
                if os.path.islink(path):
                    target = os.path.realpath(path)
                    if not target.startswith(within) and os.path.exists(target):
                        yield path


def _open_to_all(base: str) -> None:
    """Let the program work in the training directory whoever it runs as in the container: images may name a
    user. Other users of this host do not get as far as there.
    """
    for name in (".", "model", "output", "output/data", "output/intermediate"):
        _open(os.path.join(base, name))
    for part in (
        "checkpoints",
        "code",
    ):  # of earlier attempts; copies, with the modes of the originals
        for place, _, files in os.walk(os.path.join(base, part)):
            for path in (place, *(os.path.join(place, name) for name in files)):
                _open(path)
    for place, _, files in os.walk(os.path.join(base, "input")):
        os.chmod(place, 0o755)
        for path in (os.path.join(place, name) for name in files):
            if not os.path.islink(path):
                os.chmod(path, os.stat(path).st_mode | 0o444)


def _open(path: str) -> None:
    """Let everybody read and write what is this user's own, and enter a folder."""
    found = os.lstat(path) if os.path.lexists(path) else None
    if found is not None and found.st_uid == os.geteuid() and not stat.S_ISLNK(found.st_mode):
        os.chmod(path, found.st_mode | (0o777 if stat.S_ISDIR(found.st_mode) else 0o666))


def _holds_files_of_others(base: str) -> bool:
    own = os.geteuid()
    for place, folders, files in os.walk(base):
        for name in (*folders, *files):
            try:
                if os.lstat(os.path.join(place, name)).st_uid != own:
                    return True
            except OSError:
                continue
    return False


_THEIRS = (
    "image not known",
    "no such image",
    "unable to find image",
    "no such object",
    "pull access denied",
    "manifest unknown",
    "unknown flag",
    "unknown shorthand flag",
    "invalid reference format",
    "invalid argument",
    "not found",
    "permission denied",
    "operation not permitted",
    "exec format error",
    "is a directory",
)
"""What an engine says when trying again is of no use."""

_OUT_OF_MEMORY = "oom"
"""What conmon, which Podman runs, leaves where it was started when the kernel has killed a process."""

_KILLED = 128 + signal.SIGKILL
"""Exit code of `run` for a program that was killed."""

_REFUSALS = (125, 126, 127)
"""Exit codes of `run` for the engine's own failure, a command that cannot run and one that is not found."""

_PREFIXES = ("Error: ", "docker: ", "Unable to find image ")


def _refusal(log: str, code: int) -> tuple[bool, str] | None:
    """What an engine that did not start a container said last: whether the user can fix it, and the message.

    None: the exit code is that of the program. log: the path of what both printed.
    """
    said = outcome.last_line(log, begins=_PREFIXES) if code in _REFUSALS else ""
    if not said:
        return None
    theirs = code != _REFUSALS[0] or any(word in said.lower() for word in _THEIRS)
    return theirs, said.removeprefix("docker: ").removeprefix("Error: ")
