"""Refusals with the service's own error codes, made of the facts that errors carry.

A client is somebody else, on another machine perhaps: it is told no place of this one, and nothing to type.
"""

from __future__ import annotations

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
    Trouble,
    ValidationError,
)

VALIDATION = "ValidationException"
IN_USE = "ResourceInUse"
NOT_FOUND = "ResourceNotFound"
LIMIT_EXCEEDED = "ResourceLimitExceeded"
THROTTLING = "ThrottlingException"
UNKNOWN_OPERATION = "UnknownOperationException"
INTERNAL = "InternalFailure"


class ServiceError(HptError):
    """What a client receives: `code` and the message; `status` is the one of HTTP."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = 500 if code == INTERNAL else 400


def as_refusal(error: HptError) -> ServiceError:
    """What a client is told about an error of `hpt`."""
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
            if error.trouble is Trouble.DAMAGED and "damaged" not in head:
                head += "; what is stored is damaged"
            return ServiceError(INTERNAL, head + _TROUBLES.get(error.trouble, ""))
        case StateDirectoryError():
            return ServiceError(INTERNAL, f"the state directory {error.reason}")
        case MissingDependencyError():
            return ServiceError(INTERNAL, f"{error.what} needs hpt[{error.extra}], which the service lacks")
        case DependencyError() | ExecutorError():
            return ServiceError(INTERNAL, str(error))
        case InputError():
            return ServiceError(VALIDATION, str(error))
    return ServiceError(INTERNAL, f"the request failed ({type(error).__name__}); send it again")


_TROUBLES = {
    Trouble.FULL: "; the disk of the service is full",
    Trouble.WRITING: "; the disk of the service fails",
    Trouble.BUSY: "; it is being written; send the request again",
    Trouble.FORBIDDEN: "; the service lacks the permission",
}


def not_found(what: str) -> ServiceError:
    """The refusal of a request about something that does not exist."""
    return ServiceError(NOT_FOUND, f"Requested resource not found: {what}")


def refusal(error: ValidationError) -> ServiceError:
    """The refusal of a request that broke rules, all of them in one message (behaviour 2.2)."""
    shapes = [violation for violation in error.violations if violation.rule == "shape"]
    code = error.violations[0].code if error.violations else VALIDATION
    if not shapes:
        return ServiceError(code, "; ".join(str(violation) for violation in error.violations))
    count = f"{len(shapes)} validation error{'s' if len(shapes) > 1 else ''} detected: "
    parts = (
        f"Value at '{_camel(violation.path)}' failed to satisfy constraint: {violation.message}"
        for violation in shapes
    )
    return ServiceError(code, count + "; ".join(parts))


def _camel(path: str) -> str:
    return ".".join(step[:1].lower() + step[1:] for step in path.split("."))
