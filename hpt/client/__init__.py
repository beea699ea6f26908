"""SageMaker's tuning operations in this process, as boto3 offers them: no endpoint, no account, no network.

    import hpt.client

    sagemaker = hpt.client("sagemaker")              # for boto3.client("sagemaker")
    sagemaker.create_hyper_parameter_tuning_job(...)
    sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="xgb-1")

A program that reads `import boto3` runs with that line changed to `import hpt.client as boto3`. Methods,
arguments, answers, paginators, waiters and exceptions are botocore's own, built from its model of the
service; only the sending is replaced. Each job runs in a process that outlives the caller, and is the same
job that `hpt list`, `hpt describe` and `hpt stop` see. If that process dies, another one takes its place as
soon as anybody looks at the job.
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

__all__ = ["DEFAULT_LIMITS", "Account", "Limits", "SageMakerClient", "client"]


class SageMakerClient:
    """A boto3 client of the service `sagemaker` whose requests are answered here.

    state: where jobs are kept, `$HPT_HOME` or `~/.hpt` by default. region_name, account: what ARNs say.
    limits: the quotas, the service's by default; `dataclasses.replace(DEFAULT_LIMITS, parallel=100)` raises
    one.
    strict: take only what SageMaker takes, no local paths. check_s3: ask whether the `s3://` places of a
    request can be reached. config: a `botocore.config.Config`.

    Whatever a boto3 client has, this has: `exceptions`, `meta`, `get_paginator`, `get_waiter` and a method
    for each operation; those that `hpt.service.api.OPERATIONS` does not name raise ClientError.
    """

    def __init__(
        self,
        state: str | os.PathLike[str] | None = None,
        *,
        region_name: str | None = None,
        account: str = LOCAL_ACCOUNT.number,
        limits: Limits = DEFAULT_LIMITS,
        strict: bool = False,
        check_s3: bool = True,
        config: Any = None,
    ) -> None:
        require_jobs("hpt.client")
        region = region_name or LOCAL_ACCOUNT.region
        self._service = Service(
            state, account=Account(region, account), limits=limits, strict=strict, check_s3=check_s3
        )
        self._client = connect(self._service, region, config)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # also before __init__ has made any
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self._client, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._client)})

    def close(self) -> None:
        """Let go of every file; the jobs go on."""
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
    """As `boto3.client`: `sagemaker` is answered here, every other service is boto3's own.

    For `sagemaker`, what boto3 wants to reach an endpoint (credentials, `endpoint_url`, ...) has no effect.
    """
    if service_name == "sagemaker":
        ours = {
            name: options[name] for name in ("account", "limits", "strict", "check_s3") if name in options
        }
        return SageMakerClient(state, region_name=region_name, config=config, **ours)
    return _boto3().client(service_name, region_name=region_name, config=config, **options)


def _boto3() -> Any:
    require_jobs("hpt.client")
    import boto3

    return boto3


def _session_class() -> Any:
    """boto3's `Session`, whose `client("sagemaker")` is ours."""
    base: Any = _boto3().session.Session

    class Session(base):  # type: ignore[misc]
        def client(self, service_name: Any, region_name: Any = None, **options: Any) -> Any:
            if service_name == "sagemaker":
                return client("sagemaker", region_name or self.region_name, **options)
            return super().client(service_name, region_name=region_name, **options)

    return Session


def __getattr__(name: str) -> Any:
    """Whatever else boto3 has, so that this module can stand in its place."""
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
