"""The calls to SageMaker and CloudWatch Logs, with their errors as an executor has them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from hpt.errors import BusyError, ExecutorError, RetryableError

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
CONNECT_SECONDS, READ_SECONDS = 5, 20
_SKEW = 5.0  # seconds from which clocks differ, and not the answers' ages
_LOG_PAUSE = 0.1  # seconds between reads of logs: an account may call GetLogEvents 10 times a second
_THROTTLED = frozenset(
    {
        *("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled"),
        *("TooManyRequestsException", "RequestLimitExceeded", "LimitExceededException", "SlowDown"),
    }
)
_CREDENTIALS = frozenset(
    {
        *("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"),
        *("InvalidSignatureException", "SignatureDoesNotMatch", "MissingAuthenticationToken"),
        *("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "InvalidAccessKeyId"),
    }
)
_REFUSED = frozenset({"ValidationException", "InvalidParameterException", "ValidationError"})


class NameTakenError(ExecutorError):
    """There is a training job of that name."""


class NoSuchJobError(ExecutorError):
    """There is no training job of that name."""


class RefusedError(ExecutorError):
    """The service does not take the request as it is."""


class Calls:
    """The services, as boto3 finds region, credentials and endpoints.

    Raises everywhere:
        RetryableError: no answer, too many calls, or none that these credentials may make. BusyError: a quota
        is used up. RefusedError, NameTakenError, NoSuchJobError: as they say.
    """

    def __init__(self, log_pause: float = _LOG_PAUSE) -> None:
        """Nothing is called yet. log_pause: seconds between two reads of logs."""
        self._log_pause = log_pause
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}
        self._next_log = 0.0
        self.lead = 0.0
        """Seconds by which this host's clock is ahead of the service's; 0 where they agree."""

    def create(self, request: Mapping[str, Any]) -> None:
        self._call("sagemaker", "create_training_job", **request)

    def describe(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._call("sagemaker", "describe_training_job", TrainingJobName=name)
        return found

    def tags(self, arn: str) -> dict[str, str]:
        found = self._call("sagemaker", "list_tags", ResourceArn=arn)
        return {tag["Key"]: tag["Value"] for tag in found.get("Tags", ())}

    def summaries(
        self, name: str, *, after: float | None = None, status: str | None = None
    ) -> Iterator[dict[str, Any]]:
        """Training jobs whose name contains `name`, those first that changed last.

        Parameters
        ----------
        name
            A part of the name, "" for any.
        after
            Only those that changed after that time, of the service.
        status
            Only those of that status.

        Yields
        ------
        dict
            A summary.
        """
        filters: dict[str, Any] = {"SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": 100}
        if name:
            filters["NameContains"] = name
        if after is not None:
            filters["LastModifiedTimeAfter"] = datetime.fromtimestamp(after, UTC)
        if status is not None:
            filters["StatusEquals"] = status
        while True:
            page = self._call("sagemaker", "list_training_jobs", **filters)
            yield from page["TrainingJobSummaries"]
            if not page.get("NextToken"):
                return
            filters["NextToken"] = page["NextToken"]

    def stop(self, name: str) -> None:
        """Ask a training job to stop; one that has ended, or does not exist, is left alone."""
        try:
            self._call("sagemaker", "stop_training_job", TrainingJobName=name)
        except (NoSuchJobError, RefusedError):
            return

    def streams(self, name: str) -> list[tuple[float, str]]:
        """When each log stream of a training job's first host was made, and its name, in order."""
        found: list[tuple[float, str]] = []
        more: dict[str, str] = {}
        while True:
            self._pace()
            try:
                page = self._call(
                    "logs",
                    "describe_log_streams",
                    logGroupName=LOG_GROUP,
                    logStreamNamePrefix=f"{name}/algo-1-",
                    **more,
                )
            except NoSuchJobError:  # the group: nothing ever printed
                return []
            found += [(each["creationTime"] / 1000, each["logStreamName"]) for each in page["logStreams"]]
            if not page.get("nextToken"):
                return sorted(found)
            more = {"nextToken": page["nextToken"]}

    def events(self, stream: str, token: str | None) -> tuple[list[dict[str, Any]], str]:
        """Some events of a stream, and the token of those that follow. No events: there are none now."""
        self._pace()
        more = {} if token is None else {"nextToken": token}
        try:
            page = self._call(
                "logs",
                "get_log_events",
                logGroupName=LOG_GROUP,
                logStreamName=stream,
                startFromHead=True,
                **more,
            )
        except NoSuchJobError:
            return [], token or ""
        return page["events"], page["nextForwardToken"]

    def objects(self, bucket: str, prefix: str) -> list[dict[str, Any]]:
        """What S3 has under a prefix."""

        def listed(client: Any) -> list[dict[str, Any]]:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            return [entry for page in pages for entry in page.get("Contents", ())]

        found: list[dict[str, Any]] = self.s3_call(listed)
        return found

    def s3_call(self, make: Callable[[Any], Any]) -> Any:
        """What a call with a client of S3 gives, with errors as those of the other services."""
        return self._guarded(lambda: make(self._client("s3")))

    def _pace(self) -> None:
        """Wait until the next read of logs may be made."""
        with self._lock:
            now = time.monotonic()
            pause = self._next_log - now
            self._next_log = max(now, self._next_log) + self._log_pause
        if pause > 0:
            time.sleep(pause)

    def _call(self, service: str, operation: str, **arguments: Any) -> Any:
        answer = self._guarded(lambda: getattr(self._client(service), operation)(**arguments))
        self._note_clock(answer)
        return answer

    def _guarded(self, call: Callable[[], Any]) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

        try:
            return call()
        except ClientError as error:
            raise self._translated(error.response) from error
        except ParamValidationError as error:
            raise RefusedError(f"the request is not valid: {error}") from error
        except BotoCoreError as error:
            self._clients = {}  # credentials that come later are found anew
            raise RetryableError(str(error)) from error

    def _translated(self, response: Any) -> Exception:
        code = str(response.get("Error", {}).get("Code", ""))
        message = str(response.get("Error", {}).get("Message", ""))
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code == "ResourceLimitExceeded":
            return BusyError(
                f"a quota of SageMaker is used up ({message}); it starts once others have ended: have the "
                "quota raised in Service Quotas, or run fewer at a time"
            )
        if code in _THROTTLED:
            return RetryableError(f"SageMaker is asked too often ({code})")
        if code in _CREDENTIALS:
            self._clients = {}
            return RetryableError(
                f"AWS refuses these credentials ({code}: {message}); renew them, or give them the permission"
            )
        if code == "ResourceInUse":
            return NameTakenError(message)
        if code in ("ResourceNotFound", "ResourceNotFoundException") or (
            code in _REFUSED and "not found" in message.lower()
        ):
            return NoSuchJobError(message)
        if code in _REFUSED:
            return RefusedError(message)
        if status >= 500:
            return RetryableError(f"AWS answers {code}: {message}")
        return RetryableError(f"AWS answers {code or status}: {message}")

    def _note_clock(self, answer: Any) -> None:
        date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        try:
            ahead = time.time() - parsedate_to_datetime(date).timestamp() if date else 0.0
        except (TypeError, ValueError):
            return
        self.lead = ahead if abs(ahead) > _SKEW else 0.0

    def _client(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                import boto3
                from botocore.config import Config

                config = Config(
                    connect_timeout=CONNECT_SECONDS,
                    read_timeout=READ_SECONDS,
                    retries={"total_max_attempts": 2, "mode": "standard"},
                    max_pool_connections=4,
                )
                session: Any = boto3.session.Session()  # its stubs know services by literal names
                self._clients[service] = session.client(service, config=config)
            return self._clients[service]
