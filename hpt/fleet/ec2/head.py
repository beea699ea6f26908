"""The unit that runs on a fleet's head: runs its tuning jobs, keeps its nodes, and ends with the last job.

Run as `python -m hpt.fleet.ec2.head s3://BUCKET/PREFIX/NAME/ --work DIRECTORY [--shut-down]`.

It may be killed and started again, here or on another machine: S3 is the truth.
"""

from __future__ import annotations

import argparse
import secrets
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from hpt.errors import HptError
from hpt.fleet.ec2 import metadata, store
from hpt.fleet.ec2.aws import Aws
from hpt.fleet.ec2.config import FleetConfig
from hpt.fleet.ec2.head_jobs import HeadJobs
from hpt.fleet.ec2.keeper import Keeper
from hpt.fleet.ec2.node import fleet_files, wait_for_config

STEP_SECONDS = 2.0
KEEP_SECONDS = 15.0
_LAST_WORDS = 50
_PATIENCE = 110.0


class HeadUnit:
    """See the module.

    address: this machine's, at which nodes join. clock: seconds on a clock that is not set. now: seconds
    since the epoch; None: by the clock of AWS, which dates the machines.
    """

    def __init__(
        self,
        aws: Aws,
        config: FleetConfig,
        files: store.Store,
        work: Path,
        address: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] | None = None,
        keep_seconds: float = KEEP_SECONDS,
    ) -> None:
        self._config, self._files, self._address = config, files, address
        self._clock, self._now, self._keep_seconds = clock, now or aws.now, keep_seconds
        self._words: deque[tuple[float, str]] = deque(maxlen=_LAST_WORDS)
        self._jobs = HeadJobs(files, work, config.head.executor, self.say)
        subnets = files.get_json("subnets.json") or {}
        self._keeper = Keeper(
            aws, config, files, subnets, seed=f"{config.name}/{secrets.token_hex(8)}", say=self.say
        )
        self._busy = clock()
        self._next = clock()
        self.ending = ""

    def say(self, message: str) -> None:
        if not self._words or self._words[-1][1] != message:
            self._words.append((self._now(), message))
            print(message, flush=True)

    def step(self) -> bool:
        """Look once; False when the fleet is to end."""
        closed = self._try(self._look)
        if closed:
            self.ending = "the fleet is being taken down"
            return False
        now = self._clock()
        if self._jobs.unfinished:
            self._busy = now
        if now >= self._next:
            self._next = now + self._keep_seconds
            self._try(self._keep)
            self._try(self._beat)
        if not self.ending and now - self._busy > self._config.head.idle_seconds:
            self.ending = f"there was no tuning job for {self._config.head.idle_seconds:.0f} s"
        return not self.ending

    def _try(self, action: Callable[[], bool]) -> bool:
        """A bucket or a service that refuses now is asked again; what runs goes on meanwhile."""
        try:
            return action()
        except HptError as error:
            self.say(str(error))
            return False

    def _look(self) -> bool:
        self._jobs.step()
        return self._files.has(store.CLOSED)

    def _keep(self) -> bool:
        decision = self._keeper.step(self._jobs.wanted(), self._now())
        if decision.over_budget:
            self.ending = decision.notes[0]
        for note in decision.notes:
            self.say(note)
        return True

    def _beat(self) -> bool:
        now = self._now()
        cost = self._keeper.book.cost(now)
        document = {
            "address": self._address,
            "time": now,
            "cost": cost.total,
            "per_hour": cost.per_hour,
            "shares": {str(pool): round(share, 4) for pool, share in self._keeper.book.shares().items()},
            "unpriced": [str(pool) for pool in cost.unpriced],
            "notes": list(self._keeper.notes),
            "problems": self._jobs.problems,
            "unfinished": self._jobs.unfinished,
            "ending": self.ending,
            "words": list(self._words)[-10:],
        }
        self._files.put_json(store.HEAD, document)
        return True

    def end(self, patience: float = _PATIENCE) -> None:
        """Stop the tuning jobs so that they can go on, and terminate the nodes."""
        self.say(f"ending: {self.ending}")
        self._jobs.interrupt(patience)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            try:
                if not self._keeper.terminate_all():
                    break
            except HptError as error:
                self.say(str(error))
            time.sleep(1)
        self._try(self._beat)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m hpt.fleet.ec2.head")
    parser.add_argument("place", help="s3://BUCKET/PREFIX/NAME/")
    parser.add_argument("--work", type=Path, required=True, help="a directory of this machine")
    parser.add_argument("--shut-down", action="store_true", help="shut the machine down at the end")
    parser.add_argument("--keep-seconds", type=float, default=KEEP_SECONDS, help="between looks at the nodes")
    options = parser.parse_args(arguments)
    own = metadata.look(metadata.endpoint())
    aws = Aws(own.pool.zone.rstrip("abcdefghijklmnopqrstuvwxyz"))
    files = fleet_files(options.place, aws)
    config = wait_for_config(files, lambda message: print(message, flush=True))
    signal.signal(signal.SIGTERM, _end)
    unit = _made(aws, config, files, options, own.address)
    while unit.step():
        time.sleep(min(STEP_SECONDS, options.keep_seconds))
    unit.end()
    if options.shut_down:
        subprocess.run(["shutdown", "-h", "now"], check=False)
    return 0


def _made(
    aws: Aws, config: FleetConfig, files: store.Store, options: argparse.Namespace, address: str
) -> HeadUnit:
    while True:
        try:
            return HeadUnit(aws, config, files, options.work, address, keep_seconds=options.keep_seconds)
        except HptError as error:  # its role needs some seconds until it holds
            print(error, flush=True)
        time.sleep(5)


def _end(*_: object) -> None:
    """The unit is restarted, or its machine goes: the jobs go on by what is on S3."""
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
