"""Every executor there is, by name: those of this host and those of other machines.

A new one for other machines is a file beside this one, a function below and a line in `REMOTE`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hpt.errors import InputError
from hpt.executors import factory
from hpt.executors.base import Executor
from hpt.fleet import portable
from hpt.fleet.setting import Setting
from hpt.job.config import JobConfig


def _ray(setting: Setting) -> Executor:
    from hpt.fleet.ray_executor import RayExecutor

    return RayExecutor(setting)


def _sagemaker(setting: Setting) -> Executor:
    from hpt.fleet.sagemaker_executor import SageMakerExecutor

    return SageMakerExecutor.of(setting)


RAY, SAGEMAKER = "ray", "sagemaker"

REMOTE: dict[str, Callable[[Setting], Executor]] = {RAY: _ray, SAGEMAKER: _sagemaker}
"""What makes an executor of each kind."""


PLACES = {RAY: "a node of the Ray cluster", SAGEMAKER: "SageMaker"}
"""Where an executor of other machines runs a training job."""


def effective_members(kind: str) -> frozenset[str]:
    """The members of a request that say something to this executor, and nothing to one of this host."""
    return frozenset({"InstanceType"}) if kind == RAY else frozenset()


def runs_images(kind: str) -> bool:
    """Whether all that it runs are images, so that no program is looked for on this host."""
    return kind == SAGEMAKER


def place_notes(
    kind: str, config: JobConfig, request: Mapping[str, Any], options: Mapping[str, str]
) -> list[str]:
    """Messages about what a job needs of the machines of an executor.

    Parameters
    ----------
    kind
        Of an executor of other machines.
    config, request
        The job, and the request that it was read from.
    options
        Of the executor.

    Returns
    -------
    list of str
        Sentences.

    Raises
    ------
    InputError
        It cannot run there.
    """
    if kind == SAGEMAKER:
        from hpt.fleet.training_jobs.check import check

        return check(config, request, options)
    return portable.notes(config)


def _check_ray(options: Mapping[str, str]) -> None:
    from hpt.fleet import ray_options

    ray_options.check(options)


def _check_sagemaker(options: Mapping[str, str]) -> None:
    from hpt.fleet.training_jobs.check import options_of

    options_of(options)


CHECKS: dict[str, Callable[[Mapping[str, str]], None]] = {RAY: _check_ray, SAGEMAKER: _check_sagemaker}
"""What raises where an executor of other machines cannot be made with these options: called before a job is
stored that is to run with it.
"""


def kinds() -> list[str]:
    """The names of all executors."""
    return [*factory.EXECUTORS, *REMOTE]


def make_executor(kind: str, setting: Setting) -> Executor:
    """The executor of a tuning job; nothing is submitted yet.

    Raises:
        InputError: there is no such kind, or it has no such option.
        MissingDependencyError: what it needs is not installed.
    """
    if kind in factory.EXECUTORS:
        setting.known(kind)
        return factory.make_executor(
            kind, setting.root, outlive=setting.outlive, clock=setting.clock, say=setting.say
        )
    if kind not in REMOTE:
        raise InputError(f"executor {kind!r} is not known; use one of {', '.join(kinds())}")
    return REMOTE[kind](setting)
