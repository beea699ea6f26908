"""Moves data between a training directory and S3.

Run as `python -m hpt.executors.s3_transfer WHAT ATTEMPT_DIRECTORY TRAINING_DIRECTORY [HOST HOSTS]`.

WHAT: `download` (channels, source, checkpoints), `upload` (results), `checkpoints` (once), `log` or `mirror`
(checkpoints and log, again and again until killed). All but the first bring the log along where it is to go
to S3 (`log_place.py`). HOST: the index of the host that the training directory belongs to. A process of its
own beside the supervisor, so that only trials that use S3 pay for boto3. The last line it prints says what
went wrong; its exit code, whether the user can fix it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpt.executors import artifacts, channels, checked, contract, log_place, record, sources
from hpt.executors import hosts as cluster
from hpt.executors.checkpoint_sets import CheckpointCopies, CheckpointStore, FencedError
from hpt.executors.log_shipping import LogShipping
from hpt.executors.s3_source import S3Client, S3Source, split_uri

if TYPE_CHECKING:
    from hpt.executors.sources import Item

SECONDS_VARIABLE = "HPT_CHECKPOINT_SECONDS"
"""The variable in a definition's environment with the seconds between copies of its checkpoints."""

_MIRROR_SECONDS = 15.0
_LONGEST_PAUSE = 60.0  # seconds, after refusals of the store
_KEEPS_TRYING = 3600.0
_LOOKS_EVERY = 0.5
_LAST_PAUSES = (1.0, 4.0, 10.0)
_INFRASTRUCTURE = 3


_NOT_ALLOWED = "allow these credentials that, or correct the place"
_WRONG_KEYS = "log in to AWS again, or correct the keys"
_CLOCK = "the clock of this machine is minutes off: set it"
_FIXES = {
    **dict.fromkeys(("AccessDenied", "403", "AllAccessDisabled"), _NOT_ALLOWED),
    **dict.fromkeys(("RequestTimeTooSkewed", "RequestExpired"), _CLOCK),
    **dict.fromkeys(("ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch"), _WRONG_KEYS),
    "NoSuchBucket": "create the bucket, or correct its name",
}
"""What helps, by the code with which S3 refuses."""


class TransferError(contract.ContractError):
    """The user named something that is not there."""


def _fetch_one(client: S3Client, item: Item, directory: Path, *, what: str) -> None:
    uri, name = item
    bucket, key = split_uri(uri)
    target = directory / name
    target.parent.mkdir(parents=True, exist_ok=True)
    print(f"{what}: {key}", flush=True)
    try:
        client.download_file(bucket, key, str(target))
    except client.exceptions.ClientError as error:
        if error.response.get("Error", {}).get("Code") in ("404", "NoSuchKey"):
            raise TransferError(f"{what}: {uri} is not found; correct what lists it") from None
        raise


def download(client: S3Client, spec: dict[str, Any], base: Path, host: int = 0, hosts: int = 1) -> None:
    """Fill remote channels, fetch the program's source and the checkpoints of earlier attempts.

    Parameters
    ----------
    client
        Of S3.
    spec
        What to run.
    base
        The host's training directory.
    host, hosts
        The host's index, and how many there are.

    Raises
    ------
    ContractError
        Nothing is found where a channel or the source should be.
    """
    for channel in spec["channels"]:
        _download_channel(client, channel, base, host, hosts)
    if contract.is_remote(spec["source"] or ""):
        bucket, key = split_uri(spec["source"])
        client.download_file(bucket, key, str(base / contract.DOWNLOADED_SOURCE))
    if contract.is_remote(spec["checkpoint_uri"] or "") and not spec.get("fresh"):
        place = Path(contract.checkpoint_directory(str(base), spec))
        CheckpointStore(client, spec).fetch(place, base.parent / "attempts")


def download_all(client: S3Client, spec: dict[str, Any], base: Path, host: int) -> None:
    """`download` for one host, with its share of each channel. Raises as `download`."""
    own = cluster.own_downloads(spec, cluster.as_host(spec, host + 1))
    download(client, {**own, "channels": []}, base)
    for part, index, total in cluster.shares(spec, own):
        for channel in part["channels"]:
            _download_channel(client, channel, base, index, total)


def _download_channel(client: S3Client, channel: dict[str, Any], base: Path, host: int, hosts: int) -> None:
    """Fetch what a channel has on S3. Of a stream, only look whether there is something."""
    remote = contract.is_remote(channel["uri"])
    source = S3Source(client) if remote else sources.LocalSource()
    if channels.is_pipe(channel):
        if remote:
            sources.entries(channel, source)
        return
    if not remote and channel.get("data_type") not in channels.MANIFESTS:
        return
    found = sources.share(sources.items(channel, source), host, hosts, channel)
    for item in found:
        if contract.is_remote(item[0]):
            place = base / "input/data" / channel["name"]
            _fetch_one(client, item, place, what=f"channel {channel['name']}")


def upload(client: S3Client, spec: dict[str, Any], staging: Path) -> None:
    """Store the results that the supervisor left to be uploaded."""
    compression = spec.get("output_compression", artifacts.GZIP)
    for part in artifacts.PARTS:
        place = Path(artifacts.staged(str(staging), part, compression))
        if not place.exists():
            continue
        bucket, key = split_uri(artifacts.uri_of(spec["output_path"], spec["name"], part, compression))
        if compression == artifacts.GZIP:
            client.upload_file(str(place), bucket, key)
        else:
            _upload_files(client, place, bucket, key)
        place.unlink()


def upload_at_last(client: S3Client, spec: dict[str, Any], staging: Path) -> None:
    """`upload`. On a machine of a cluster, where hours of training would be lost for ever, what the store
    refuses is tried again for an hour, with growing pauses, and said in the log.
    """
    give_up = time.monotonic() + (_KEEPS_TRYING if spec.get("elsewhere") else 0.0)
    pause = 1.0
    while True:
        try:
            upload(client, spec, staging)
            return
        except Exception as error:
            found = explanation(error)
            if found is None or time.monotonic() + pause > give_up:
                raise
            print(f"the results cannot be stored: {found[1]}; trying again in {pause:g} s", flush=True)
        time.sleep(pause)
        pause = min(_LONGEST_PAUSE, 2 * pause)


def _upload_files(client: S3Client, directory: Path, bucket: str, prefix: str) -> None:
    """All files of a directory, or none: what is there of them is removed if one fails."""
    done = []
    try:
        for name in artifacts.files_below(str(directory)):
            client.upload_file(str(directory / name), bucket, prefix + name)
            done.append(prefix + name)
    except BaseException:
        for key in done:
            client.delete_object(Bucket=bucket, Key=key)
        raise


@dataclass
class Chore:
    """What is done again and again. what: in words. every: seconds between two times; pause: those until the
    next, more after refusals. due: when that is, on the monotonic clock.
    """

    what: str
    action: Callable[[], object]
    every: float
    pause: float = 0.0
    due: float = field(default_factory=time.monotonic)

    def do(self) -> None:
        """Do it. What the store refuses is tried again, with growing pauses, and said in the log. Raises
        FencedError.
        """
        try:
            self.action()
        except FencedError:
            raise
        except Exception as error:
            found = explanation(error)
            if found is None:
                raise
            self.pause = min(_LONGEST_PAUSE, 2 * (self.pause or self.every))
            print(f"{self.what} cannot be copied: {found[1]}; trying again in {self.pause:g} s", flush=True)
        else:
            self.pause = self.every
        self.due = time.monotonic() + self.pause


def keep_copying(chores: Sequence[Chore], now: Path) -> None:
    """Do the chores until killed, or until a later attempt has begun.

    now: the file that is written whenever all is to be copied at once.
    """
    seen = 0
    while True:
        due = min(chore.due for chore in chores)
        while time.monotonic() < due and _written(now) == seen:
            time.sleep(min(_LOOKS_EVERY, max(0.0, due - time.monotonic())))
        before, seen = seen, _written(now)
        try:
            for chore in chores:
                if seen != before or time.monotonic() >= chore.due:
                    chore.do()
        except FencedError as fenced:
            print(f"checkpoints are not copied any more: {fenced}", flush=True)
            return


def _written(path: Path) -> int:
    """When a file was written last, 0 if it never was."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def finish_copying(what: str, action: Callable[[], None]) -> None:
    """The last copy of something. A store that fails is given some time."""
    for pause in (*_LAST_PAUSES, None):
        try:
            action()
        except FencedError as fenced:
            print(f"{what} are not copied any more: {fenced}", flush=True)
        except Exception as error:
            found = explanation(error)
            if found is None or pause is None:
                raise
            print(f"{what} cannot be copied: {found[1]}; trying again in {pause:g} s", flush=True)
            time.sleep(pause)
            continue
        return


def finish_log(spec: Mapping[str, Any], attempt: Path) -> None:
    """Bring the rest of the log to the store, if it is to be there. One that fails is no reason to lose what
    the training job has done: the tuner has read the log too.
    """
    shipping = shipping_of(spec, attempt)
    if shipping is None:
        return
    try:
        finish_copying("the log", shipping.ship)
    except Exception as error:
        if (found := explanation(error)) is None:
            raise
        print(f"the log cannot be copied: {found[1]}", flush=True)


def shipping_of(spec: Mapping[str, Any], attempt: Path) -> LogShipping | None:
    """What brings the log of an attempt to the store; None where it does not go there."""
    import boto3
    from botocore.config import Config

    place = log_place.shipped(spec)
    if place is None:
        return None
    config = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 2})
    return LogShipping(boto3.client("s3", config=config), place, attempt / record.LOG)


def mirror(client: S3Client, spec: Mapping[str, Any], attempt: Path, base: Path) -> None:
    """Copy checkpoints and log as they come."""
    chores = []
    if contract.is_remote(spec["checkpoint_uri"] or ""):
        copies = CheckpointCopies(client, spec, attempt, base)
        every = log_place.seconds_between(spec, SECONDS_VARIABLE, _MIRROR_SECONDS)
        chores.append(Chore("checkpoints", copies.copy, every, due=time.monotonic() + every))
    if (shipping := shipping_of(spec, attempt)) is not None:
        every = log_place.seconds_between(spec, log_place.SECONDS_VARIABLE, log_place.EVERY)
        later = every if chores else 0.0  # else this process was started when it was time
        chores.append(Chore("the log", shipping.ship, every, due=time.monotonic() + later))
    if chores:
        keep_copying(chores, attempt / record.COPY_NOW)


def explanation(error: BaseException) -> tuple[int, str] | None:
    """The exit code of an error, and what it says; None of a bug."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

    match error:
        case contract.ContractError():
            return contract.TRANSFER_REFUSED, str(error)
        case NoCredentialsError() | PartialCredentialsError():
            return contract.TRANSFER_REFUSED, f"{error}; log in to AWS or set AWS_PROFILE"
        case ClientError():
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            theirs = 400 <= status < 500 and status != 429
            fix = _FIXES.get(str(error.response.get("Error", {}).get("Code", "")))
            message = str(error) if fix is None else f"{error}; {fix}"
            return contract.TRANSFER_REFUSED if theirs else _INFRASTRUCTURE, message
        case BotoCoreError() | Boto3Error() | OSError():
            return _INFRASTRUCTURE, str(error)
    return None


def explained(action: Callable[[], None]) -> int:
    """Run, and turn what may go wrong into a last line and an exit code."""
    try:
        action()
    except Exception as error:
        found = explanation(error)
        if found is None:
            raise
        print(found[1], flush=True)
        return found[0]
    return 0


def main(what: str, attempt: Path, base: Path, host: int = 0, hosts: int = 1) -> int:
    import boto3

    try:
        spec = checked.read_spec(str(attempt))
    except checked.DamagedRecordError as error:
        print(error, flush=True)
        return _INFRASTRUCTURE
    if spec is None:
        print("its record spec.json is missing", flush=True)
        return _INFRASTRUCTURE

    def run() -> None:
        client = boto3.client("s3")
        if what == "download":
            download_all(client, spec, base, host)
            return
        if what == "mirror":
            mirror(client, spec, attempt, base)
            return
        copied = contract.is_remote(spec["checkpoint_uri"] or "")
        try:
            if what == "checkpoints":  # first: the machine may be about to go
                finish_copying("checkpoints", CheckpointCopies(client, spec, attempt, base).finish)
        finally:
            if what != "upload" or not copied:  # or it went with the checkpoints
                finish_log(spec, attempt)
        if what == "upload":  # last: it may take an hour
            upload_at_last(client, spec, attempt)

    return explained(run)


def run(arguments: Sequence[str]) -> int:
    """`main`, given the words of a command."""
    what, attempt, base, *rest = arguments
    return main(what, Path(attempt), Path(base), *map(int, rest))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
