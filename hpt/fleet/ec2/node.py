"""The unit that runs on each node: joins the cluster, watches for its end, and shuts down without a head.

Run as `python -m hpt.fleet.ec2.node s3://BUCKET/PREFIX/ --work DIRECTORY [--join] [--shut-down]`.

What runs training jobs on the node watches for its end by itself (`hpt.fleet.notice`) and saves them. This
unit says it to the head, so that the node's slots are replaced before it is gone.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from hpt.errors import HptError
from hpt.fleet.charges import SHARE_LABEL
from hpt.fleet.ec2 import metadata, store
from hpt.fleet.ec2.aws import Aws
from hpt.fleet.ec2.config import FleetConfig, split_bucket
from hpt.fleet.ec2.costs import Pool
from hpt.fleet.notice import Notice

BEAT_SECONDS = 15.0
_LOOK_SECONDS = 2.0
_STOP_SECONDS = 100.0
_JOINED = b"Ray runtime started"
"""What `ray start` says once the machine is a node. It tries for a quarter of an hour before it gives up."""
_JOINS_SECONDS = 120.0
_GIVES_UP = 3  # ends in a row of what never joined, until that is a problem of the node
_WORDS = 400

Say = Callable[[str], None]


class NodeUnit:
    """See the module.

    Parameters
    ----------
    files
        Of the fleet.
    config
        The fleet.
    own
        Who this machine is.
    notice
        Where its end is announced.
    busy
        How many training jobs run here; None: that is not known.
    join
        The command that makes this machine a node, given the head's address; None: none.
    clock
        Seconds on a clock that is not set.
    log
        Where the process that makes this machine a node says what it does; None: where this one does.
    """

    def __init__(
        self,
        files: store.Store,
        config: FleetConfig,
        own: metadata.Self,
        notice: Notice,
        busy: Callable[[], int | None],
        join: Callable[[str], Sequence[str]] | None,
        *,
        say: Say,
        clock: Callable[[], float] = time.monotonic,
        log: Path | None = None,
    ) -> None:
        self._files, self._config, self._own, self._log = files, config, own, log
        self._notice, self._busy, self._join, self._say, self._clock = notice, busy, join, say, clock
        self._heard = clock()
        self._next = clock()
        self._told: tuple[bool, bool] = False, False
        self._process: subprocess.Popen[bytes] | None = None
        self._began, self._failures, self._problem = clock(), 0, ""
        self.dead_head = False

    def step(self) -> bool:
        """Look once; False when this machine is to shut down."""
        self._notice.look()
        now = self._clock()
        told = self._notice.leaves, self._notice.rebalance
        if told != self._told:
            self._told, self._next = told, now  # at once
            self._say(self._notice.reason or "the machine may be taken away; it takes no new training jobs")
        if now >= self._next:
            self._next = now + BEAT_SECONDS
            try:
                self._beat(now)
            except HptError as error:
                self._say(str(error))
        if now - self._heard > self._config.nodes.without_head_seconds:
            self._say(f"nothing of the head for {now - self._heard:.0f} s; shutting down")
            self.dead_head = True
            return False
        return True

    def _beat(self, now: float) -> None:
        """Say how this node is, and hear of the head. The time of what is written says when; the same content
        is the same object, so that the head reads only what changed."""
        pool = self._own.pool
        document = {
            "busy": self._busy(),
            "leaves": self._notice.leaves,
            "rebalance": self._notice.rebalance,
            "reason": self._notice.reason,
            "problem": self._problem if self._failures >= _GIVES_UP else "",
            "pool": [pool.instance_type, pool.zone, pool.market],
        }
        self._files.put_json(f"nodes/{self._own.id}.json", document)
        if (found := self._files.get_dated(store.HEAD)) is None:
            return
        content, age = found
        self._heard = max(self._heard, now - age)
        self._keep_joined(str(json.loads(content).get("address", "")))

    def _keep_joined(self, address: str) -> None:
        if self._join is None or not address or self._notice.leaves:
            return
        if self._process is not None and self._has_joined():
            self._failures = 0
        if self._process is not None and self._process.poll() is not None:
            self._failed(address, f"exit code {self._process.returncode}{self._last_words()}")
            self._process = None
        if self._process is None:
            self._start(address)
        elif not self._has_joined() and self._clock() - self._began > _JOINS_SECONDS:
            self._failed(address, f"it tries for {_JOINS_SECONDS:g} s{self._last_words()}")
            self._failures = _GIVES_UP

    def _has_joined(self) -> bool:
        if self._log is None:
            return self._clock() - self._began > _JOINS_SECONDS
        try:
            return _JOINED in self._log.read_bytes()
        except OSError:
            return False

    def _start(self, address: str) -> None:
        assert self._join is not None
        self._began = self._clock()
        try:
            with contextlib.ExitStack() as opened:
                log = None if self._log is None else opened.enter_context(self._log.open("wb"))
                self._process = subprocess.Popen(
                    self._join(address), stdout=log, stderr=log, start_new_session=True
                )
        except OSError as error:
            self._failed(address, f"{error.filename or 'its command'}: {error.strerror}")

    def _failed(self, address: str, why: str) -> None:
        self._failures += 1
        self._problem = f"it cannot stay a node of the head at {address}: {why}"
        self._say(self._problem)

    def _last_words(self) -> str:
        """What the process said last, on one line."""
        if self._log is None:
            return ""
        try:
            words = " ".join(self._log.read_text(errors="replace")[-4 * _WORDS :].split())
        except OSError:
            return ""
        return f": {words[-_WORDS:]}" if words else ""

    def close(self) -> None:
        """End what was started; training jobs have time to save."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def training_jobs() -> int | None:
    """The supervisors of training jobs on this machine."""
    import psutil

    start, count = str(Path("hpt", "executors", "start.py")), 0
    for process in psutil.process_iter(["cmdline"]):
        count += any(word.endswith(start) for word in (process.info["cmdline"] or ())[:5])
    return count


def ray_command(own: metadata.Self, slots: int, address: str, share: float | None = None) -> list[str]:
    """What makes this machine a node of the head's Ray cluster. share: of the full price of its type that it
    costs, if that is known.
    """
    labels = {"market": own.pool.market, "instance-type": own.pool.instance_type, "zone": own.pool.zone}
    if share is not None:
        labels[SHARE_LABEL] = f"{share:.4f}"
    return [
        *(sys.executable, "-m", "ray.scripts.scripts", "start"),  # the script of one that moved names another
        f"--address={address}:6379",
        f"--node-ip-address={own.address}",
        f"--num-cpus={slots}",
        f"--labels={','.join(f'{key}={value}' for key, value in labels.items())}",
        "--disable-usage-stats",
        "--block",
    ]


def price_share(files: store.Store, pool: Pool) -> float | None:
    """What machines of a pool cost as a share of the full price, as the head says it; None if it does not."""
    try:
        said = files.get_json(store.HEAD) or {}
        share = said.get("shares", {}).get(str(pool))
    except HptError:  # no reason not to join
        return None
    return None if share is None else float(share)


def fleet_files(place: str, aws: Aws) -> store.Store:
    """The files below `s3://BUCKET/PREFIX/NAME/`."""
    above, _, name = place.rstrip("/").rpartition("/")
    bucket, prefix = split_bucket(above, name)
    return store.Store(aws, bucket, prefix)


def wait_for_config(files: store.Store, say: Say, *, pause: float = 5.0) -> FleetConfig:
    """The fleet's configuration, once it can be read: a role needs some seconds until it holds."""
    while True:
        try:
            content = files.get(store.FLEET)
            if content is not None:
                return FleetConfig.from_json(content.decode())
            say(f"{files.uri}{store.FLEET} is not there yet")
        except HptError as error:
            say(str(error))
        time.sleep(pause)


def _say(message: str) -> None:
    print(message, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m hpt.fleet.ec2.node")
    parser.add_argument("place", help="s3://BUCKET/PREFIX/NAME/")
    parser.add_argument("--work", type=Path, required=True, help="a directory of this machine")
    parser.add_argument("--join", action="store_true", help="join the head's Ray cluster")
    parser.add_argument("--shut-down", action="store_true", help="shut the machine down where that is due")
    options = parser.parse_args(arguments)
    options.work.mkdir(parents=True, exist_ok=True)
    own = metadata.look(metadata.endpoint())
    aws = Aws(own.pool.zone.rstrip("abcdefghijklmnopqrstuvwxyz"))
    files = fleet_files(options.place, aws)
    config = wait_for_config(files, _say)
    slots = config.nodes.instance_types.get(own.pool.instance_type, 1)
    notice = Notice({"HPT_NOTICE": f"imds={metadata.endpoint()}"})

    def join(address: str) -> list[str]:
        return ray_command(own, slots, address, price_share(files, own.pool))

    unit = NodeUnit(
        files,
        config,
        own,
        notice,
        training_jobs,
        join if options.join else None,
        say=_say,
        log=options.work / "node.log",
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        while unit.step():
            time.sleep(_LOOK_SECONDS)
    finally:
        unit.close()
    if options.shut_down:
        subprocess.run(["shutdown", "-h", "now"], check=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
