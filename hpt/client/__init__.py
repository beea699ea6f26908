"""SageMaker's tuning operations in this process, as boto3 offers them: no endpoint, no account, no network.

    import hpt.client

    sagemaker = hpt.client("sagemaker")              # for boto3.client("sagemaker")
    sagemaker.create_hyper_parameter_tuning_job(...)
    sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="xgb-1")

A program that reads `import boto3` runs with that line changed to `import hpt.client as boto3`. Methods,
arguments, answers, paginators, waiters and exceptions are botocore's own, built from its model of the
service; only the sending is replaced. Each job runs in a process that outlives the caller, and is the same
job that `hpt list`, `hpt describe` and `hpt stop` see. If that process dies, another one is started as soon
as the job is read.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

from hpt.client.transport import connect
from hpt.job.limits import DEFAULT_LIMITS, Limits
from hpt.running.dependencies import require_jobs
from hpt.sagemaker.reply.response import LOCAL_ACCOUNT, Account
from hpt.service.api import Service

__all__ = ["DEFAULT_LIMITS", "Account", "Limits", "LogsClient", "SageMakerClient", "client"]


class SageMakerClient:
    """A boto3 client of the service `sagemaker` whose requests are answered here.

    It has everything that a boto3 client has: `exceptions`, `meta`, `get_paginator`, `get_waiter` and a
    method for each operation. Operations that are not in `hpt.service.api.OPERATIONS` raise ClientError.

    Parameters
    ----------
    state
        The state directory, `$HPT_HOME` or `~/.hpt` by default.
    region_name, account
        The region and the account in ARNs.
    limits
        The quotas, or "amt" for SageMaker's, which apply by default if `strict`, else the wide local ones.
        `dataclasses.replace(DEFAULT_LIMITS, parallel=100)` raises one.
    strict
        Accept only what SageMaker accepts, no local paths.
    check_s3
        Check that the `s3://` URIs of a request can be reached.
    config
        A `botocore.config.Config`.

    Raises
    ------
    MissingDependencyError
        A library of `hpt[jobs]` is not installed.
    InputError
        There are no limits of that name.
    StateDirectoryError
        The state directory cannot be used.
    """

    def __init__(
        self,
        state: str | os.PathLike[str] | None = None,
        *,
        region_name: str | None = None,
        account: str = LOCAL_ACCOUNT.number,
        limits: Limits | str | None = None,
        strict: bool = False,
        check_s3: bool = True,
        config: Any = None,
    ) -> None:
        require_jobs("hpt.client")
        region = region_name or LOCAL_ACCOUNT.region
        self._service = Service(
            state, account=Account(region, account), limits=limits, strict=strict, check_s3=check_s3
        )
        self._client = connect("sagemaker", lambda *asked: self._service.call(*asked), region, config)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # also before __init__ sets any
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self._client, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._client)})

    def close(self) -> None:
        """Close all files; the jobs go on."""
        self._client.close()
        self._service.close()


class LogsClient:
    """A boto3 client of the service `logs` for the logs of training jobs, which is all that it reads.

    `describe_log_streams` and `get_log_events` on the group `/aws/sagemaker/TrainingJobs` are answered here;
    other operations raise ClientError.

    Parameters
    ----------
    state, region_name, account, config
        As `SageMakerClient` takes them.
    """

    def __init__(
        self,
        state: str | os.PathLike[str] | None = None,
        *,
        region_name: str | None = None,
        account: str = LOCAL_ACCOUNT.number,
        config: Any = None,
    ) -> None:
        require_jobs("hpt.client")
        region = region_name or LOCAL_ACCOUNT.region
        self._service = Service(state, account=Account(region, account))
        self._client = connect("logs", self._service.call_logs, region, config)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # also before __init__ sets any
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self._client, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._client)})

    def close(self) -> None:
        """Close all files."""
        self._client.close()
        self._service.close()


def client(
    service_name: str,
    region_name: str | None = None,
    *,
    state: str | os.PathLike[str] | None = None,
    config: Any = None,
    **options: Any,
) -> Any:
    """The same as `boto3.client`, but `sagemaker`, and `logs` of training jobs, are answered in this process.

    Parameters
    ----------
    service_name
        Name of the service; boto3 itself makes the client of any other than `sagemaker` and `logs`.
    region_name
        The region.
    state
        The state directory, for `sagemaker` and `logs` only.
    config
        A `botocore.config.Config`.
    **options
        For `sagemaker` and `logs`, the other parameters of their clients; what boto3 needs to reach an
        endpoint (credentials, `endpoint_url`, ...) has no effect. For other services, the options of
        `boto3.client`.

    Returns
    -------
    SageMakerClient, LogsClient or botocore.client.BaseClient
        The client.
    """
    if service_name == "sagemaker":
        ours = {
            name: options[name] for name in ("account", "limits", "strict", "check_s3") if name in options
        }
        return SageMakerClient(state, region_name=region_name, config=config, **ours)
    if service_name == "logs":
        ours = {name: options[name] for name in ("account",) if name in options}
        return LogsClient(state, region_name=region_name, config=config, **ours)
    return _boto3().client(service_name, region_name=region_name, config=config, **options)


def _boto3() -> Any:
    require_jobs("hpt.client")
    import boto3

    return boto3


def _session_class() -> Any:
    """boto3's `Session`, whose clients of `sagemaker` and `logs` are ours."""
    base: Any = _boto3().session.Session

    class Session(base):  # type: ignore[misc]
        def client(self, service_name: Any, region_name: Any = None, **options: Any) -> Any:
            if service_name in ("sagemaker", "logs"):
                return client(service_name, region_name or self.region_name, **options)
            return super().client(service_name, region_name=region_name, **options)

    return Session


def __getattr__(name: str) -> Any:
    """All other attributes of boto3, so that this module can replace it."""
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "Session":
        return _session_class()
    if name == "session":
        return SimpleNamespace(Session=_session_class())
    return getattr(_boto3(), name)


class _Module(ModuleType):
    """Makes `hpt.client("sagemaker")` the same as `hpt.client.client("sagemaker")`."""

    def __call__(self, service_name: str, region_name: str | None = None, **options: Any) -> Any:
        return client(service_name, region_name, **options)


sys.modules[__name__].__class__ = _Module
