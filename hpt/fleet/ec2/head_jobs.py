"""The tuning jobs of a fleet, as its head runs them: fetched, started, copied, stopped, taken up again."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from hpt.errors import HptError, InputError
from hpt.executors import snapshot
from hpt.executors.contract import unpack
from hpt.executors.record import LOG
from hpt.fleet.ec2 import again as words_left
from hpt.fleet.ec2 import store
from hpt.fleet.ec2.again import Again
from hpt.fleet.registry import RAY
from hpt.fleet.setting import CHOICE
from hpt.job.config import JobConfig
from hpt.job.extension import extended
from hpt.job.recorded import read_config, read_state
from hpt.job.state import JobState
from hpt.storage.database import DATABASE
from hpt.storage.sqlite import SQLiteStorage

Say = Callable[[str], None]

RUNNER_LOG = "runner.log"
_LOGS_SECONDS = 30.0
_MOST_LOG = 64 << 20
_AGAIN_SECONDS = 10.0
_WORDS_SECONDS = 5.0
_MOST_FAILURES = 20
_BAD_INPUT, _SURROUNDINGS = 2, 4
"""The exit codes of `hpt` for what the user must change, and where its machine failed (`hpt.cli.exit_codes`,
a layer above).
"""


@dataclass
class HeadJob:
    """A tuning job here. failures: runners in a row that ended before the job did. again: when the next is
    due. copied: versions of what was copied. ended: nothing more is to be done. wish: with which it goes on
    that had ended; until that is copied.
    """

    name: str
    runner: subprocess.Popen[bytes] | None = None
    failures: int = 0
    again: float = 0.0
    stopping: bool = False
    copied: dict[str, tuple[int, int]] = field(default_factory=dict)
    logs_next: float = 0.0
    ended: bool = False
    problem: str = ""
    wish: Again | None = None


class HeadJobs:
    """All tuning jobs of a fleet.

    work: a directory of this machine. executor: by which they run; "local" on this machine itself.
    """

    def __init__(self, files: store.Store, work: Path, executor: str, say: Say) -> None:
        self._files, self._work, self._executor, self._say = files, work, executor, say
        self._state = work / "state"
        self._jobs: dict[str, HeadJob] = {}
        self._words_next = 0.0
        self._state.mkdir(parents=True, exist_ok=True, mode=0o700)

    def step(self) -> None:
        """Look at every job once. What fails of one is its problem, and tried again."""
        for name in self._files.folders("jobs/"):
            if name not in self._jobs:
                self._jobs[name] = HeadJob(name, ended=self._files.has(f"jobs/{name}/status.json"))
        if time.monotonic() >= self._words_next:
            self._words_next = time.monotonic() + _WORDS_SECONDS
            self._take_up()
        for job in self._jobs.values():
            if job.ended:
                continue
            try:
                self._step(job)
                job.problem = ""
            except HptError as error:
                if str(error) != job.problem:
                    self._say(f"tuning job {job.name}: {error}")
                job.problem = str(error)

    def _take_up(self) -> None:
        """Begin again with jobs that are to go on. What fails is tried again."""
        for key in list(self._files.keys(words_left.PLACE)):
            name = key.removeprefix(words_left.PLACE).removesuffix(".json")
            job = self._jobs.get(name)
            try:
                if job is None:
                    self._say(f"{key} is about no tuning job of the fleet")
                    self._files.delete(key)
                elif job.ended and (wish := words_left.read(self._files, name)) is not None:
                    self._files.delete(f"jobs/{name}/{store.STOP}")
                    self._jobs[name] = HeadJob(name, wish=wish)
            except HptError as error:  # the others go on
                self._say(f"tuning job {name} cannot go on now: {error}")

    def _granted(self, job: HeadJob) -> None:
        """What was wished for holds, and is copied: a head that follows finds a job that has not ended."""
        loaded = self._load(job.name)
        if loaded is not None and not loaded[1].status.ended and self._copy_database(job):
            self._files.delete(f"jobs/{job.name}/status.json")
            self._files.delete(words_left.key_of(job.name))
            job.wish = None

    def _step(self, job: HeadJob) -> None:
        if job.runner is not None and job.runner.poll() is not None:
            self._ended(job, job.runner.returncode)
            if job.ended:
                return
        if job.runner is None and time.monotonic() >= job.again:
            self._start(job)
        if not job.stopping and self._files.has(f"jobs/{job.name}/{store.STOP}"):
            self._stop(job)
        self._copy(job)
        if job.wish is not None:
            self._granted(job)

    def _start(self, job: HeadJob) -> None:
        folder = self._work / "jobs" / job.name
        if not (self._state / job.name.lower() / DATABASE).exists():
            self._restore(job)
        if (loaded := self._load(job.name)) is not None:
            wish = job.wish if job.wish is not None and loaded[1].status.ended else Again()
            words = words_of(wish, job.name)
        else:
            self._fetch(job, folder)
            executor = [] if self._executor == "local" else ["--executor", self._executor]
            words = ["tune", str(folder / "job.json"), "--name", job.name, *executor]
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / RUNNER_LOG).open("ab") as log:
            command = [sys.executable, "-m", "hpt.cli.main", *words, "--state", str(self._state)]
            job.runner = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                preexec_fn=_heed_interrupts,
            )
        self._say(f"tuning job {job.name}: {words[0]}")

    def _fetch(self, job: HeadJob, folder: Path) -> None:
        """The job file with its programs and data beside it."""
        document = self._files.get_json(f"jobs/{job.name}/request.json")
        if document is None:
            raise InputError("its request is not there; hand it over again")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for archive in document["archives"]:
            content = self._files.get(f"code/{archive['sha256']}.tar.gz")
            if content is None:
                raise InputError(f"its archive {archive['sha256']} is not there; hand it over again")
            packed = folder / "archive.tar.gz"
            packed.write_bytes(content)
            unpack(str(packed), str(folder / archive["folder"]))
            packed.unlink()
        (folder / "job.json").write_text(json.dumps(document["request"]))

    def _restore(self, job: HeadJob) -> None:
        """What an earlier head copied, if it came so far."""
        database = self._files.get(f"jobs/{job.name}/{DATABASE}")
        programs = self._files.get(f"jobs/{job.name}/{snapshot.PLACE}.tar.gz")
        if database is None or programs is None:
            return
        directory = self._state / job.name.lower()
        directory.mkdir(mode=0o700, exist_ok=True)
        packed = directory / "restored.tar.gz"
        packed.write_bytes(programs)
        with tarfile.open(packed) as archive:
            archive.extractall(directory, filter="data")
        packed.unlink()
        new = directory / "restored.sqlite"
        new.write_bytes(database)
        new.replace(directory / DATABASE)
        self._say(f"tuning job {job.name}: restored as the last head left it")

    def _ended(self, job: HeadJob, code: int) -> None:
        """After its runner ended: the job did too, or it goes on."""
        job.runner = None
        loaded = self._load(job.name)
        refused = job.wish is not None and code == _SURROUNDINGS  # it ended before, and is to go on
        if loaded is not None and loaded[1].status.ended and not refused:
            job.logs_next = 0.0
            self._copy(job)
            state = loaded[1]
            if job.wish is not None:
                if code == _BAD_INPUT:
                    self._say(f"tuning job {job.name} does not go on: {self._last_words(job)[-300:]}")
                self._files.delete(words_left.key_of(job.name))
            self._files.put_json(
                f"jobs/{job.name}/status.json", {"status": str(state.status), "code": code, "reason": ""}
            )
            job.ended = True
            self._say(f"tuning job {job.name}: {state.status}")
            return
        job.failures += 1
        job.again = time.monotonic() + _AGAIN_SECONDS * min(job.failures, 30)
        if (loaded is None and code == _BAD_INPUT) or job.failures > _MOST_FAILURES:
            self._copy(job)
            reason = self._last_words(job)
            document = {"status": "Failed", "code": code, "reason": reason}
            self._files.put_json(f"jobs/{job.name}/status.json", document)
            job.ended = True
            self._say(f"tuning job {job.name}: Failed: {reason}")
        else:
            self._say(f"tuning job {job.name}: its process ended with {code}; it goes on in a moment")

    def _last_words(self, job: HeadJob) -> str:
        try:
            text = (self._work / "jobs" / job.name / RUNNER_LOG).read_text(errors="replace")
        except OSError:
            return ""
        return text.strip()[-2000:]

    def _stop(self, job: HeadJob) -> None:
        if self._load(job.name) is None:
            if job.runner is None:
                self._files.put_json(
                    f"jobs/{job.name}/status.json", {"status": "Stopped", "code": 0, "reason": ""}
                )
                job.ended = True
            return  # asked again once it is stored
        command = [
            sys.executable,
            "-m",
            "hpt.cli.main",
            "stop",
            job.name,
            "--no-wait",
            "--state",
            str(self._state),
        ]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            job.stopping = True
            self._say(f"tuning job {job.name}: stopping")

    def _load(self, name: str) -> tuple[JobConfig, JobState] | None:
        if not (self._state / name.lower() / DATABASE).exists():
            return None
        with closing(SQLiteStorage(self._state)) as storage:
            record, events = storage.read(name)
        config = extended(read_config(record.name, record.document), events)
        return config, read_state(config, record.created, events)

    def wanted(self) -> int:
        """Slots that training jobs have or wait for."""
        total = 0
        for job in self._jobs.values():
            if job.ended or job.stopping:
                continue
            loaded = self._load(job.name)
            if loaded is not None:
                config, state = loaded
                ended = state.launched - len(state.running)
                most = config.limits.max_jobs
                left = config.limits.max_parallel_jobs if most is None else most - ended
                total += max(0, min(config.limits.max_parallel_jobs, left))
        return total

    @property
    def unfinished(self) -> list[str]:
        return [job.name for job in self._jobs.values() if not job.ended]

    @property
    def problems(self) -> dict[str, str]:
        return {job.name: job.problem for job in self._jobs.values() if job.problem and not job.ended}

    def interrupt(self, patience: float) -> None:
        """Stop all runners so that their jobs can go on later, and copy them."""
        running = [job for job in self._jobs.values() if job.runner is not None]
        for job in running:
            assert job.runner is not None
            job.runner.send_signal(signal.SIGINT)
        deadline = time.monotonic() + patience
        for job in running:
            assert job.runner is not None
            try:
                job.runner.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                job.runner.kill()
                job.runner.wait()
            job.logs_next = 0.0
            try:
                self._copy(job)
            except HptError as error:
                self._say(f"tuning job {job.name}: {error}")

    def _copy(self, job: HeadJob) -> None:
        """Copy what changed: the database, what the runner prints, and now and then the logs."""
        directory, place = self._state / job.name.lower(), f"jobs/{job.name}"
        self._copy_file(job, self._work / "jobs" / job.name / RUNNER_LOG, f"{place}/{RUNNER_LOG}")
        if not (directory / DATABASE).exists():
            return
        self._copy_programs(job, directory, place)
        self._copy_database(job)
        self._copy_file(job, directory / CHOICE, f"{place}/{CHOICE}")
        if self._executor != RAY and time.monotonic() >= job.logs_next:  # there the nodes bring them to S3
            job.logs_next = time.monotonic() + _LOGS_SECONDS
            for log in sorted(directory.glob(f"trials/*/attempts/*/{LOG}")):
                self._copy_file(job, log, f"{place}/{log.relative_to(directory)}")

    def _copy_file(self, job: HeadJob, path: Path, key: str) -> None:
        try:
            found = path.stat()
        except FileNotFoundError:
            return
        version = found.st_size, found.st_mtime_ns
        if job.copied.get(key) != version and found.st_size <= _MOST_LOG:
            self._files.put(key, path)
            job.copied[key] = version

    def _copy_programs(self, job: HeadJob, directory: Path, place: str) -> None:
        """The snapshots, once: without them the job cannot go on elsewhere."""
        key = f"{place}/{snapshot.PLACE}.tar.gz"
        if key in job.copied:
            return
        packed = self._work / "jobs" / job.name / "programs.tar.gz"
        with tarfile.open(packed, "w:gz") as archive:
            if (directory / snapshot.PLACE).exists():
                archive.add(directory / snapshot.PLACE, snapshot.PLACE)
        self._files.upload(key, packed)
        packed.unlink()
        for manifest in sorted(directory.glob(f"{snapshot.PLACE}/*/{snapshot.MANIFEST}")):
            self._copy_file(job, manifest, f"{place}/{manifest.relative_to(directory)}")
        job.copied[key] = 0, 0

    def _copy_database(self, job: HeadJob) -> bool:
        """A consistent copy, while the runner writes; False where none can be made now."""
        source = self._state / job.name.lower() / DATABASE
        versions = [path.stat() for path in (source, source.with_name(f"{DATABASE}-wal")) if path.exists()]
        version = sum(each.st_size for each in versions), max(each.st_mtime_ns for each in versions)
        key = f"jobs/{job.name}/{DATABASE}"
        if job.copied.get(key) == version:
            return True
        copy = self._work / "jobs" / job.name / "copy.sqlite"
        copy.unlink(missing_ok=True)
        try:
            with (
                closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=5)) as living,
                closing(sqlite3.connect(copy)) as target,
            ):
                living.backup(target)
                target.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.Error as error:
            self._say(f"tuning job {job.name}: it cannot be copied now: {error}")
            return False
        self._files.upload(key, copy)
        copy.unlink()
        job.copied[key] = version
        return True


def words_of(wish: Again, name: str) -> list[str]:
    """The command that goes on with a job."""
    if not wish.extends:
        return ["resume", name]
    given = {
        "--max-jobs": wish.max_jobs,
        "--max-runtime": wish.max_runtime_seconds,
        "--max-parallel": wish.max_parallel_jobs,
    }
    limits = [word for flag, value in given.items() if value is not None for word in (flag, f"{value}")]
    return ["extend", name, *limits]


def _heed_interrupts() -> None:
    """A runner is interrupted by the head, whatever the head's own parent ignores."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
