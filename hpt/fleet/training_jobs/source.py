"""The program of script mode, put on S3 where it lies on this host."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from hpt.errors import ExecutorError
from hpt.executors import snapshot
from hpt.executors.base import Submission
from hpt.executors.copies import SnapshotError
from hpt.executors.s3_source import split_uri
from hpt.fleet.training_jobs.calls import Calls
from hpt.job.program_kind import ProgramKind, program_of
from hpt.job.uris import is_s3


class Sources:
    """The snapshots of a tuning job, each packed and uploaded once."""

    def __init__(self, calls: Calls, job: Path) -> None:
        """job: the directory of the tuning job, with its snapshots."""
        self._calls, self._job = calls, job
        self._lock = threading.Lock()
        self._put: dict[str, str] = {}

    def put(self, submission: Submission, say: Callable[[str], None]) -> str | None:
        """The `s3://` URI of an attempt's program; None if it is on S3, or in the image.

        Raises:
            ExecutorError: its snapshot is not there. RetryableError: S3 does not answer.
        """
        definition = submission.definition
        program = program_of(definition.training_image, submission.hyperparameters)
        if program.kind is not ProgramKind.SCRIPT or is_s3(program.source):
            return None
        digest = definition.snapshot
        if digest is None or definition.output_path is None:
            raise ExecutorError(f"there is no snapshot of {program.source}, which is to be put on S3")
        with self._lock:
            if digest not in self._put:
                name = submission.name.rpartition("-")[0].rpartition("-")[0] or submission.name
                uri = f"{definition.output_path.rstrip('/')}/{name}/source/{digest}/sourcedir.tar.gz"
                self._upload(digest, uri)
                self._put[digest] = uri
                say(f"the program is in {uri}")
            return self._put[digest]

    def _upload(self, digest: str, uri: str) -> None:
        bucket, key = split_uri(uri)
        if self._calls.objects(bucket, key):
            return  # by its digest it is the same
        with tempfile.TemporaryDirectory(prefix="hpt-") as folder:
            target = Path(folder, "sourcedir.tar.gz")
            try:
                found = snapshot.read(self._job / snapshot.PLACE / digest)
                if found is None:
                    raise ExecutorError(f"the snapshot {digest} of the program is not there")
                snapshot.archive(found, target)
            except (OSError, SnapshotError) as error:
                raise ExecutorError(f"the snapshot of the program cannot be packed: {error}") from error
            self._calls.s3_call(lambda client: client.upload_file(str(target), bucket, key))
