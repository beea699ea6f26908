"""A refusal with the service's own error code."""

from __future__ import annotations

from hpt.errors import HptError, ValidationError

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


def refusal(error: ValidationError) -> ServiceError:
    """The refusal of a request that broke rules, all of them in one message (AMT 2.2)."""
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
