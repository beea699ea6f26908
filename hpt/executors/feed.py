"""The process that feeds the Pipe channels of one host of a training job (behaviour 16.2).

Run as `start.py feed ATTEMPT_DIRECTORY TRAINING_DIRECTORY HOST HOSTS`, or as a module, which finds boto3.

Each channel has a thread. It waits until the program opens the FIFO of an epoch, makes the one of the next,
and writes the bytes of all objects one after another. A FIFO that nobody reads costs nothing. A program that
closes it early is done with that epoch. Whatever fails is left in a file for the supervisor before any FIFO
is closed, since the program would take that for the end of its data.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import threading
import zlib
from contextlib import contextmanager, suppress
from itertools import count

from hpt.executors import channels, checked, recordio, sources
from hpt.executors import hosts as cluster
from hpt.executors.contract import TRANSFER_REFUSED, ContractError, is_remote, local_path
from hpt.executors.feeder import failure_path
from hpt.host.files import open_file
from hpt.host.private import open_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, NoReturn

    from hpt.executors.sources import Entry, Source

_INFRASTRUCTURE = 3
_PIPE_BYTES = 1 << 20
_SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ
_GZIP = 31  # zlib's window bits for its gzip format


class Feed:
    """The stream of one channel, epoch after epoch. source: gives where objects of a URI lie."""

    def __init__(
        self,
        base: str,
        channel: Mapping[str, Any],
        host: int,
        hosts: int,
        source: Callable[[str], Source],
    ) -> None:
        self._base, self._channel, self._source = base, channel, source
        self._host, self._hosts = host, hosts

    def run(self) -> None:
        """Feed one epoch after another, until the FIFO of one was taken away.

        Raises:
            ContractError: an object is missing or is not what the channel says. OSError: reading failed.
        """
        every = sources.entries(self._channel, self._source(self._channel["uri"]))
        for epoch in count():
            fifo = channels.fifo(self._base, self._channel, epoch)
            try:
                descriptor = os.open(fifo, os.O_WRONLY)
            except FileNotFoundError:
                return
            try:
                self._make(channels.fifo(self._base, self._channel, epoch + 1), os.fstat(descriptor).st_mode)
                _widen(descriptor)
                for entry in self.order(every, epoch):
                    self._write(descriptor, entry)
            except BrokenPipeError:
                pass  # the program has what it wanted
            with suppress(FileNotFoundError):  # the program may have removed it
                os.unlink(fifo)  # who opens it again is to get an error, and not to wait for ever
            os.close(descriptor)  # not where something failed: the supervisor is to learn it first

    def order(self, every: Sequence[Entry], epoch: int) -> Sequence[Entry]:
        """What this host gets in an epoch. Shuffled before it is shared, as the service has it."""
        seed = self._channel.get("shuffle_seed")
        if seed is not None:
            import random

            every = list(every)
            random.Random(f"{seed}/{epoch}").shuffle(every)
        return sources.share(every, self._host, self._hosts, self._channel)

    def _make(self, fifo: str, mode: int) -> None:
        """mode: of the last one; the program of a container may belong to another user, who is to read it."""
        with suppress(FileExistsError, FileNotFoundError):  # the program may make or remove what it likes
            os.mkfifo(fifo, 0o600)
            os.chmod(fifo, stat.S_IMODE(mode))

    def _write(self, descriptor: int, entry: Entry) -> None:
        wrapped = self._channel["record_wrapper"] == "RecordIO"
        plain = not wrapped and self._channel.get("compression") != "Gzip"
        for part in entry:
            if plain and isinstance(part, str) and not is_remote(part):
                with _explaining(part):
                    _send(descriptor, part)
                continue
            for data in self._wrapped(part) if wrapped else self._chunks(part):
                _write_all(descriptor, data)

    def _chunks(self, part: str | bytes) -> Iterable[bytes]:
        if isinstance(part, bytes):
            return [part]
        chunks = self._read(part)
        return gunzip(chunks, part) if self._channel.get("compression") == "Gzip" else chunks

    def _read(self, uri: str) -> Iterator[bytes]:
        with _explaining(uri):
            yield from self._source(uri).chunks(uri)

    def _wrapped(self, part: str | bytes) -> Iterator[bytes]:
        data, size = [], 0
        for chunk in self._chunks(part):
            data.append(chunk)
            size += len(chunk)
            if size > recordio.LARGEST:
                raise ContractError(
                    f"{_shown(part)} holds more than {recordio.LARGEST} bytes, the most that a RecordIO "
                    "record can; split it, or use RecordWrapperType None"
                )
        return recordio.wrap(b"".join(data))


@contextmanager
def _explaining(uri: str) -> Iterator[None]:
    """Errors that say what is wrong with an object in place of those of the system."""
    try:
        yield
    except FileNotFoundError:
        raise ContractError(f"{uri} is not there any more; put it back, or correct what lists it") from None
    except PermissionError as error:
        raise ContractError(f"{uri} cannot be read: {error.strerror}; change its permissions") from None


def gunzip(chunks: Iterable[bytes], uri: str) -> Iterator[bytes]:
    """The content of a gzip file, of one member or several.

    Raises:
        ContractError: it is no whole gzip file.
    """
    member, empty = zlib.decompressobj(_GZIP), True
    try:
        for chunk in chunks:
            while chunk or not empty:
                if member.eof:
                    chunk = chunk.lstrip(b"\0")  # padding
                    if not chunk:
                        break
                    member = zlib.decompressobj(_GZIP)
                empty = False
                data = member.decompress(chunk, sources.CHUNK)
                yield data
                chunk = member.unused_data if member.eof else member.unconsumed_tail
                if not chunk and len(data) < sources.CHUNK:
                    break
    except zlib.error as error:
        raise ContractError(
            f"{uri} is no gzip file ({error}); compress it, or use CompressionType None"
        ) from None
    if not empty and not member.eof:
        raise ContractError(f"{uri} is a gzip file that was cut short; replace it")


def _shown(part: str | bytes) -> str:
    return part if isinstance(part, str) else "an attribute"


def _widen(descriptor: int) -> None:
    """Fewer turns of reader and writer. The system may allow no more than it gave."""
    import fcntl

    try:
        fcntl.fcntl(descriptor, _SET_PIPE_SIZE, _PIPE_BYTES)
    except OSError:
        pass


def _send(descriptor: int, path: str) -> None:
    """The bytes of a local file. The kernel moves them, where the file system lets it."""
    file = open_file(local_path(path))
    try:
        try:
            while os.sendfile(descriptor, file, None, sources.CHUNK):
                pass
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            while data := os.read(file, sources.CHUNK):
                _write_all(descriptor, data)
    finally:
        os.close(file)


def _write_all(descriptor: int, data: bytes) -> None:
    done = os.write(descriptor, data) if data else 0
    if done < len(data):
        rest = memoryview(data)
        while done < len(data):
            done += os.write(descriptor, rest[done:])


class _Sources:
    """Local files, and S3 where it is asked for."""

    def __init__(self) -> None:
        self._local = sources.LocalSource()
        self._remote: Source | None = None
        self._lock = threading.Lock()

    def __call__(self, uri: str) -> Source:
        if not is_remote(uri):
            return self._local
        with self._lock:
            if self._remote is None:
                import boto3

                from hpt.executors.s3_source import S3Source

                self._remote = S3Source(boto3.client("s3"))
        return self._remote


_FAILING = threading.Lock()


def _fail(path: str, name: str, error: BaseException) -> NoReturn:
    """Leave why for the supervisor, and end this process. The first reason counts."""
    _FAILING.acquire()  # for good
    code, reason = _explained(error)
    message = f"channel {name!r}: {reason}" if not reason.startswith("channel ") else reason
    print(message, flush=True)
    try:
        with open(path, "w", encoding="utf-8", errors="backslashreplace", opener=open_private) as file:
            file.write(message)
    finally:
        os._exit(code)


def _explained(error: BaseException) -> tuple[int, str]:
    """The exit code of an error, and what it says."""
    if isinstance(error, ContractError):
        return TRANSFER_REFUSED, str(error)
    if "botocore" in sys.modules:
        from hpt.executors.s3_transfer import explanation

        explained = explanation(error)
        if explained is not None:
            return explained
    if not isinstance(error, OSError):
        sys.excepthook(type(error), error, error.__traceback__)
    return _INFRASTRUCTURE, f"{type(error).__name__}: {error}"


def main(directory: str, base: str, host: int, hosts: int) -> NoReturn:
    """Feed the Pipe channels of a host until this process is killed."""
    path = failure_path(directory, host)
    find = _Sources()

    def run(channel: Mapping[str, Any], index: int, total: int) -> None:
        try:
            Feed(base, channel, index, total, find).run()
        except BaseException as error:
            _fail(path, channel["name"], error)

    spec = checked.read_spec(directory)
    own = () if spec is None else cluster.shares(spec, cluster.as_host(spec, host + 1))
    threads = [
        threading.Thread(target=run, args=(channel, index, total))
        for part, index, total in own
        for channel in part["channels"]
        if channels.is_pipe(channel)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
