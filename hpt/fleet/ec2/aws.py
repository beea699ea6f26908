"""The clients of AWS, and what their errors mean."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

from hpt.errors import ExecutorError, InputError, RetryableError

_NEEDED = {"ListObjectsV2": "s3:ListBucket", "HeadObject": "s3:GetObject"}
"""The permission of a call, where it is called otherwise."""

FORBIDDEN = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AllAccessDisabled", "403"}
CLOCK = {"RequestTimeTooSkewed", "RequestExpired", "SignatureDoesNotMatch", "AuthFailure.ClockSkew"}
CREDENTIALS = {
    *("AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId"),
    *("ExpiredToken", "ExpiredTokenException"),
}
THROTTLED = {"RequestLimitExceeded", "Throttling", "ThrottlingException", "SlowDown", "TooManyRequests"}
NO_BUCKET = {"NoSuchBucket"}


class PermissionDeniedError(InputError):
    """AWS refuses a call to these credentials. action: such as `ec2:CreateFleet`."""

    def __init__(self, message: str, *, action: str = "") -> None:
        super().__init__(message)
        self.action = action


class Aws:
    """Clients of one region, made as they are needed. Throttled calls are retried by the clients.

    clock: seconds since the epoch, by this host, which may be minutes off.
    """

    def __init__(self, region: str, *, attempts: int = 6, clock: Callable[[], float] = time.time) -> None:
        self.region, self._attempts, self._clock = region, attempts, clock
        self._ahead = 0.0  # seconds that this host's clock is ahead of AWS's

    def now(self) -> float:
        """Seconds since the epoch by the clock of AWS, as its last reply told it: so old is a machine that it
        launched.
        """
        return self._clock() - self._ahead

    def _replied(self, parsed: Any, **_: Any) -> None:
        headers = parsed.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        with suppress(ValueError, TypeError, KeyError):
            self._ahead = self._clock() - parsedate_to_datetime(headers["date"]).timestamp()

    def _client(self, service: str, region: str | None = None) -> Any:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        retries: Any = {"mode": "standard", "max_attempts": self._attempts}
        config = Config(retries=retries, connect_timeout=10, read_timeout=60)
        try:
            make: Any = boto3.client  # of one session, which reads the description of each service once
            client = make(service, region_name=region or self.region, config=config)
            client.meta.events.register("after-call", self._replied)
            return client
        except (BotoCoreError, ValueError) as error:  # such as a profile or an endpoint that cannot be
            raise InputError(f"AWS cannot be used: {error}; correct the configuration of AWS") from None

    @cached_property
    def ec2(self) -> Any:
        return self._client("ec2")

    @cached_property
    def iam(self) -> Any:
        return self._client("iam")

    @cached_property
    def s3(self) -> Any:
        return self._client("s3")

    @cached_property
    def ssm(self) -> Any:
        return self._client("ssm")

    @cached_property
    def sts(self) -> Any:
        return self._client("sts")

    @cached_property
    def quotas(self) -> Any:
        return self._client("service-quotas")

    @cached_property
    def pricing(self) -> Any:
        return self._client(
            "pricing", "us-east-1"
        )  # the service stands in few regions; its prices are of all

    @contextmanager
    def explained(self, doing: str) -> Iterator[None]:
        """Turns what boto3 raises into errors of `hpt`.

        doing: what was attempted, as in "the head cannot be launched".

        Raises:
            InputError: credentials, permissions, names or the clock of this host are wrong.
            RetryableError: AWS cannot be reached, is busy or has no capacity.
        """
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        try:
            yield
        except ClientError as error:
            raise explain(error, doing) from error
        except (BotoCoreError, ResponseParserError) as error:
            raise unreachable(error, doing, self.region) from error


def code_of(error: Any) -> str:
    """The code of a `ClientError`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def explain(error: Any, doing: str) -> InputError | RetryableError:
    """The error of `hpt` for a `ClientError`."""
    code, message = code_of(error), str(error.response.get("Error", {}).get("Message", ""))
    action = f"{error.operation_name}"
    what = f"{doing}: {action} was refused: {code}: {message}"
    if code in FORBIDDEN or (action.startswith("Head") and code == "403"):
        return PermissionDeniedError(
            f"{what}; allow these credentials {_NEEDED.get(action, action)} "
            "(the fleet's policy has all that is needed)",
            action=action,
        )
    if code in CLOCK or "not yet valid" in message or "Signature expired" in message:
        return InputError(f"{what}; set the clock of this host, which is minutes off, or correct the keys")
    if code in CREDENTIALS:
        return InputError(f"{what}; log in to AWS again, or set AWS_PROFILE")
    if code in NO_BUCKET:
        return InputError(f"{what}; create the bucket, or correct the name")
    if code in THROTTLED or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
        return ExecutorError(f"{what}; wait a minute and try again")
    if "LimitExceeded" in code or "InsufficientInstanceCapacity" in code:
        return ExecutorError(
            f"{what}; request a higher quota, or try again later, elsewhere or with other types"
        )
    return InputError(f"{what}; correct that and try again")


def unreachable(error: Any, doing: str, region: str) -> InputError | RetryableError:
    """The error of `hpt` for a `BotoCoreError`, or for an answer that is none of AWS's."""
    from botocore import exceptions as known
    from botocore.parsers import ResponseParserError

    if isinstance(
        error, known.NoCredentialsError | known.PartialCredentialsError | known.TokenRetrievalError
    ):
        return InputError(f"{doing}: {error}; log in to AWS, or set AWS_PROFILE")
    if isinstance(error, known.NoRegionError):
        return InputError(f"{doing}: {error}; name the region, or set AWS_DEFAULT_REGION")
    if isinstance(error, known.ParamValidationError):
        return InputError(f"{doing}: {error}; correct that and try again")
    if isinstance(error, ResponseParserError):
        return ExecutorError(
            f"{doing}: what answered is not AWS: {_one_line(error)}; look for a proxy in between, or at "
            "AWS_ENDPOINT_URL if that is set, and try again"
        )
    fix = "check the network and try again"
    if isinstance(error, known.EndpointConnectionError) and (near := _likelier(region)):
        fix = f"boto3 knows no region {region!r}, did you mean {near!r}? Else {fix}"
    return ExecutorError(f"{doing}: AWS cannot be reached: {error}; {fix}")


def _one_line(error: Any) -> str:
    return " ".join(str(error).split())[:200]


def _likelier(region: str) -> str:
    """The region of boto3's list that is most like one that is not there; "" for one that is. New regions may
    not be in it.
    """
    import boto3

    session = boto3.Session()
    known = [
        each
        for part in session.get_available_partitions()
        for each in session.get_available_regions("ec2", part)
    ]
    return "" if region in known else next(iter(get_close_matches(region, known, n=1)), "us-east-1")


def absent(error: Any) -> bool:
    """Whether a `ClientError` says that what it is about is not there."""
    code = code_of(error)
    return code == "404" or "NotFound" in code or code.startswith("NoSuch")


def pages(call: Callable[..., Any], member: str, **arguments: Any) -> Iterator[Any]:
    """All that a listing call returns, whichever word it has for its next page."""
    while True:
        reply = call(**arguments)
        yield from reply.get(member, ())
        for given, taken in (("NextToken", "NextToken"), ("Marker", "Marker")):
            if reply.get(given):
                arguments[taken] = reply[given]
                break
        else:
            if reply.get("NextContinuationToken"):
                arguments["ContinuationToken"] = reply["NextContinuationToken"]
                continue
            return
