"""Converts errors of `hpt` to errors with the service's codes.

A client may run on another machine, so messages contain no path of this machine and no command to type.
"""

from __future__ import annotations

import re

from hpt.errors import (
    DependencyError,
    ExecutorError,
    HptError,
    InputError,
    JobExistsError,
    JobNotFoundError,
    JobOwnedError,
    MissingDependencyError,
    StateDirectoryError,
    StorageError,
    StorageProblem,
    ValidationError,
    Violation,
)

VALIDATION = "ValidationException"
IN_USE = "ResourceInUse"
NOT_FOUND = "ResourceNotFound"
LIMIT_EXCEEDED = "ResourceLimitExceeded"
THROTTLING = "ThrottlingException"
UNKNOWN_OPERATION = "UnknownOperationException"
INTERNAL = "InternalFailure"


class ServiceError(HptError):
    """The error that a client receives: `code` and the message; `status` is the HTTP status."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = 500 if code == INTERNAL else 400


class TrainingJobNotFound(ServiceError):
    """No training job has the name. Code and message are the service's, which clients compare: another code
    than for a tuning job.
    """

    def __init__(self) -> None:
        super().__init__(VALIDATION, "Requested resource not found.")


def as_refusal(error: HptError) -> ServiceError:
    """The error that a client receives for an error of `hpt`."""
    match error:
        case ServiceError():
            return error
        case ValidationError():
            return refusal(error)
        case JobNotFoundError():
            return not_found(f"no tuning job is named {error.name!r}")
        case JobExistsError():
            return ServiceError(
                IN_USE,
                f"Hyper parameter tuning job names must be unique, and {error.name!r} exists; choose another "
                "name",
            )
        case JobOwnedError():
            return ServiceError(
                IN_USE, f"tuning job {error.name!r} is in use; send the request again in a moment"
            )
        case StorageError():
            head = f"{error.what}: {error.reason}" if error.reason else error.what
            if error.problem is StorageProblem.DAMAGED and "damaged" not in head:
                head += "; what is stored is damaged"
            return ServiceError(INTERNAL, head + _PROBLEMS.get(error.problem, ""))
        case StateDirectoryError():
            return ServiceError(INTERNAL, f"the state directory {error.reason}")
        case MissingDependencyError():
            return ServiceError(INTERNAL, f"{error.what} needs hpt[{error.extra}], which the service lacks")
        case DependencyError() | ExecutorError():
            return ServiceError(INTERNAL, str(error))
        case InputError():
            return ServiceError(VALIDATION, str(error))
    return ServiceError(INTERNAL, f"the request failed ({type(error).__name__}); send it again")


_PROBLEMS = {
    StorageProblem.FULL: "; the disk of the service is full",
    StorageProblem.WRITING: "; the disk of the service fails",
    StorageProblem.BUSY: "; it is being written; send the request again",
    StorageProblem.FORBIDDEN: "; the service lacks the permission",
}


def not_found(what: str) -> ServiceError:
    """The error for a resource that does not exist."""
    return ServiceError(NOT_FOUND, f"Requested resource not found: {what}")


def refusal(error: ValidationError) -> ServiceError:
    """The error for a request that breaks rules, with all of them in one message (behaviour 2.2)."""
    shapes = [violation for violation in error.violations if violation.rule == "shape"]
    code = error.violations[0].code if error.violations else VALIDATION
    if not shapes:
        return ServiceError(code, "; ".join(str(violation) for violation in error.violations))
    count = f"{len(shapes)} validation error{'s' if len(shapes) > 1 else ''} detected: "
    parts = (
        f"Value at '{_camel(violation.path)}' failed to satisfy constraint: {violation.message}"
        f"{_sdk_hint(violation)}"
        for violation in shapes
    )
    return ServiceError(code, count + "; ".join(parts))


_NAME_BY_SDK = re.compile(r"'[^']*-\d{6}-\d{4}' does not match")


def _sdk_hint(violation: Violation) -> str:
    """What to do about a name that the SageMaker SDK made of the image, here the path of a program."""
    if violation.path == "HyperParameterTuningJobName" and _NAME_BY_SDK.match(violation.message):
        return (
            ". The SageMaker SDK makes a name of the image and the time where none is given: give "
            "base_tuning_job_name= to HyperparameterTuner"
        )
    return ""


def _camel(path: str) -> str:
    return ".".join(step[:1].lower() + step[1:] for step in path.split("."))
