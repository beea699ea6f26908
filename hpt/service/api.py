"""The entry point of all operations: takes the name and the request, returns the answer, as JSON data."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from hpt.errors import HptError, ValidationError
from hpt.job.limits import DEFAULT_LIMITS, LOCAL_LIMITS, Limits, find_limits
from hpt.running.session import Session
from hpt.sagemaker.reply.response import LOCAL_ACCOUNT, Account
from hpt.sagemaker.request.model import load_shapes
from hpt.sagemaker.request.relaxations import LOCAL_MODE, STRICT_MODE
from hpt.sagemaker.request.shapes import check_shape
from hpt.service import lists, tagging, training, tuning
from hpt.service.context import Context
from hpt.service.errors import (
    INTERNAL,
    THROTTLING,
    UNKNOWN_OPERATION,
    ServiceError,
    as_refusal,
)
from hpt.service.logs import LOG_OPERATIONS
from hpt.service.throttle import Throttle

Handler = Callable[[Context, Mapping[str, Any]], dict[str, Any]]

OPERATIONS: Mapping[str, tuple[str, Handler]] = {
    "CreateHyperParameterTuningJob": ("CreateHyperParameterTuningJobRequest", tuning.create_tuning_job),
    "DescribeHyperParameterTuningJob": ("DescribeHyperParameterTuningJobRequest", tuning.describe_tuning_job),
    "StopHyperParameterTuningJob": ("StopHyperParameterTuningJobRequest", tuning.stop_tuning_job),
    "DeleteHyperParameterTuningJob": ("DeleteHyperParameterTuningJobRequest", tuning.delete_tuning_job),
    "ListHyperParameterTuningJobs": ("ListHyperParameterTuningJobsRequest", lists.list_tuning_jobs),
    "ListTrainingJobsForHyperParameterTuningJob": (
        "ListTrainingJobsForHyperParameterTuningJobRequest",
        lists.list_training_jobs_of_tuning_job,
    ),
    "CreateTrainingJob": ("CreateTrainingJobRequest", training.create_training_job),
    "DescribeTrainingJob": ("DescribeTrainingJobRequest", training.describe_training_job),
    "ListTrainingJobs": ("ListTrainingJobsRequest", lists.list_training_jobs),
    "StopTrainingJob": ("StopTrainingJobRequest", training.stop_training_job),
    "DeleteTrainingJob": ("DeleteTrainingJobRequest", training.delete_training_job),
    "Search": ("SearchRequest", lists.search),
    "AddTags": ("AddTagsInput", tagging.add_tags),
    "ListTags": ("ListTagsInput", tagging.list_tags),
    "DeleteTags": ("DeleteTagsInput", tagging.delete_tags),
}
"""The supported operations: the shape of the request, and the handler."""


class Service:
    """SageMaker's tuning operations on one state directory. Safe to call from many threads; a slow
    request does not delay the others.

    Parameters
    ----------
    state
        The state directory, `$HPT_HOME` or `~/.hpt` by default.
    account
        The account in ARNs.
    limits
        The quotas, or "amt" for the service's, which apply by default if `strict`, else the wide local ones.
        `dataclasses.replace(DEFAULT_LIMITS, parallel=100)` raises one.
    strict
        Read requests as SageMaker does, without local paths and defaults.
    check_s3
        Check that the `s3://` URIs of a request can be reached.
    clock
        The clock in seconds for `limits.requests_per_second`.

    Raises
    ------
    InputError
        There are no limits of that name.
    StateDirectoryError
        The state directory cannot be used.
    """

    def __init__(
        self,
        state: str | os.PathLike[str] | None = None,
        *,
        account: Account = LOCAL_ACCOUNT,
        limits: Limits | str | None = None,
        strict: bool = False,
        check_s3: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if limits is None:
            limits = DEFAULT_LIMITS if strict else LOCAL_LIMITS
        limits = find_limits(limits)
        self._context = Context(Session(state), account, limits, strict=strict, check_s3=check_s3)
        self._admitting = threading.Lock()
        self._throttle = Throttle(limits.requests_per_second, clock)
        self._context.ensure_runners()

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer, times in seconds since the epoch.

        Raises:
            ServiceError: the request is refused or failed; `code` says why.
        """
        if operation not in OPERATIONS:
            raise _unknown(operation, OPERATIONS)
        self._admit(operation)
        shape, handler = OPERATIONS[operation]
        mode = STRICT_MODE if self._context.strict else LOCAL_MODE

        def answer() -> dict[str, Any]:
            plain, violations = check_shape(load_shapes(), shape, request, mode.overlay)
            if violations:
                raise ValidationError(violations, violations.more)
            return handler(self._context, plain)

        return _answered(answer)

    def call_logs(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer of an operation of CloudWatch Logs about the log of a training job.

        Raises:
            ServiceError: as `call`.
        """
        if operation not in LOG_OPERATIONS:
            raise _unknown(operation, LOG_OPERATIONS)
        return _answered(lambda: LOG_OPERATIONS[operation](self._context, request))

    def _admit(self, operation: str) -> None:
        with self._admitting:
            admitted = self._throttle.admit()
        if not admitted:
            raise ServiceError(
                THROTTLING,
                f"Rate exceeded: {operation} came when more than "
                f"{self._context.limits.requests_per_second:g} requests a second had come; wait and send it "
                "again, or raise requests_per_second",
            )

    def close(self) -> None:
        """Close all files; the jobs go on."""
        self._context.close()


def _unknown(operation: str, known: Mapping[str, object]) -> ServiceError:
    return ServiceError(
        UNKNOWN_OPERATION, f"{operation} is not supported; use one of: {', '.join(sorted(known))}"
    )


def _answered(answer: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The answer, or its failure as the client receives it."""
    try:
        return answer()
    except ServiceError:
        raise
    except HptError as error:
        raise as_refusal(error) from error
    except OSError as error:  # not converted by a lower layer
        reason = error.strerror or type(error).__name__
        raise ServiceError(INTERNAL, f"the machine of the service fails: {reason}") from error
