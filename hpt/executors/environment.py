"""Environment and arguments of a program, as the framework images' start-up layer gives them (behaviour
16.3).

Standard library only: the supervisor imports this.
"""

from __future__ import annotations

import json
import os
import re

from hpt.executors import contract, hosts
from hpt.executors.process import ATTEMPT_VARIABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_START_UP = frozenset(
    (
        *("sagemaker_program", "sagemaker_submit_directory", "sagemaker_enable_cloudwatch_metrics"),
        *("sagemaker_region", "sagemaker_container_log_level", "sagemaker_job_name", "sagemaker_s3_output"),
        *("default_user_module_name", "_tuning_objective_metric"),
    )
)
"""Hyperparameters for the start-up layer alone: neither the program nor a framework gets them."""

_NEGATIVE = re.compile(r"-(?!\d+$|\d*\.\d+$)(\d*)\.?(\d*)(?:e([-+]?\d{1,3}))?", re.ASCII | re.IGNORECASE)
"""A negative number that argparse takes for an option before Python 3.14. Groups: the digits before and after
the point, and the exponent, which is no longer than that of any float.
"""


def training_job_arn(name: str) -> str:
    """An ARN of the right shape for a training job that runs on this host."""
    return f"arn:aws:sagemaker:local:000000000000:training-job/{name}"


def split_hyperparameters(strings: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The program's own hyperparameters and those of the framework's launcher, each value decoded as JSON
    where it is JSON, as `sagemaker-training-toolkit` decodes it.
    """
    own: dict[str, Any] = {}
    framework: dict[str, Any] = {}
    for name, string in strings.items():
        if name not in _START_UP:
            (framework if name.startswith("sagemaker_") else own)[name] = _decoded(string)
    return own, framework


def _decoded(string: str) -> Any:
    try:
        return json.loads(string)
    except (ValueError, RecursionError):
        return string


def arguments(hyperparameters: Mapping[str, Any]) -> list[str]:
    """`--name value` for each, sorted by name; one letter: `-n value`.

    A negative number has no exponent: argparse takes `-6.5e-05` for an option, which other parsers of numbers
    read either way.

    >>> arguments({"lr": 0.1, "b": 2, "flag": True})
    ['-b', '2', '--flag', 'True', '--lr', '0.1']
    >>> arguments({"shift": -6.5e-05})
    ['--shift', '-0.000065']
    """
    result = []
    for name, value in sorted(hyperparameters.items()):
        if isinstance(value, dict):
            value = ",".join(f"{key}={entry}" for key, entry in sorted(value.items()))
        string = "" if value is None else str(value)
        result += [f"--{name}" if len(name) > 1 else f"-{name}", _plain_decimal(string) or string]
    return result


def _plain_decimal(string: str) -> str | None:
    """A negative number written with digits and a point alone, as argparse knows one; None of anything else.

    Every digit stays, so that it reads back to the same number, a float to a float.
    """
    found = _NEGATIVE.fullmatch(string)
    if found is None or not found[1] + found[2]:
        return None
    digits, point = found[1] + found[2], len(found[1]) + int(found[3] or 0)
    whole, fraction = digits[: max(0, point)], digits[max(0, point) :]
    return f"-{whole + '0' * (point - len(digits)) or '0'}.{'0' * -point + fraction or '0'}"


def _string(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))


def cores_for_each(parallel: int) -> int:
    """A fair share of the cores this process may use."""
    return max(1, len(os.sched_getaffinity(0)) // max(1, parallel))


def _cores(spec: Mapping[str, Any]) -> int:
    """The cores that are its own, else its fair share."""
    own = spec.get("cores")
    count = hosts.count(spec)
    return max(1, len(own) // count) if own else cores_for_each(spec["parallel"] * count)


def _gpus(spec: Mapping[str, Any], inherited: Mapping[str, str]) -> int:
    """The GPUs that it sees."""
    if spec.get("gpus") is not None:
        return len(spec["gpus"])
    listed = {**inherited, **spec["environment"]}.get("CUDA_VISIBLE_DEVICES")
    if listed is not None:
        return len([name for name in listed.partition("-1")[0].split(",") if name.strip()])
    try:
        return len(os.listdir("/proc/driver/nvidia/gpus"))
    except OSError:
        return 0


def _visible(spec: Mapping[str, Any]) -> dict[str, str]:
    """The variables that show it its own GPUs, if it was given any or is to see none."""
    gpus = spec.get("gpus")
    if gpus is None:
        return {}
    variables = {spec["gpu_variable"]: ",".join(gpus) or "-1"}
    if (
        not gpus or spec["gpu_variable"] == "ROCR_VISIBLE_DEVICES"
    ):  # the others count those that this one shows
        shown = ",".join(map(str, range(len(gpus)))) or "-1"
        variables = {"CUDA_VISIBLE_DEVICES": shown, "HIP_VISIBLE_DEVICES": shown, **variables}
    return variables


def _folders(base: str) -> dict[str, str]:
    return {
        "input_dir": os.path.join(base, "input"),
        "input_config_dir": os.path.join(base, "input/config"),
        "model_dir": os.path.join(base, "model"),
        "output_dir": os.path.join(base, "output"),
        "output_data_dir": os.path.join(base, "output/data"),
        "output_intermediate_dir": os.path.join(base, "output/intermediate"),
    }


def _training_environment(
    base: str, spec: Mapping[str, Any], own: Any, framework: Any, gpus: int
) -> dict[str, Any]:
    """What the start-up layer sets as `SM_TRAINING_ENV`, and piece by piece as `SM_<NAME>`."""
    entry = spec["entry"] or ""
    resources = hosts.resource_config(spec)
    host = hosts.of(spec)
    groups = {group["instance_group_name"]: group for group in host["groups"]}
    return {
        **_folders(base),
        "additional_framework_parameters": framework,
        "channel_input_dirs": {
            c["name"]: os.path.join(base, "input/data", c["name"]) for c in spec["channels"]
        },
        "current_host": host["name"],
        "current_instance_group": host["group"],
        "current_instance_group_hosts": groups[host["group"]]["hosts"],
        "current_instance_type": spec["instance_type"],
        "distribution_hosts": host["hosts"],
        "distribution_instance_groups": [],
        "framework_module": None,
        "hosts": host["hosts"],
        "hyperparameters": own,
        "input_data_config": contract.input_data_config(spec),
        "instance_groups": list(groups),
        "instance_groups_dict": groups,
        "is_hetero": len(groups) > 1,
        "is_master": host["number"] == 1,
        "job_name": spec["name"],
        "log_level": _decoded(spec["hyperparameters"].get("sagemaker_container_log_level", "20")),
        "master_hostname": host["master"],
        "module_dir": os.path.join(base, "code"),
        "module_name": entry.removesuffix(".py"),
        "network_interface_name": hosts.NETWORK_INTERFACE,
        "num_cpus": _cores(spec),
        "num_gpus": gpus,
        "resource_config": resources,
        "user_entry_point": entry,
    }


_PUBLISHED_WHOLE = ("channel_input_dirs", "hyperparameters", "additional_framework_parameters")
_NOT_PUBLISHED = ("is_master", "job_name", "master_hostname", "distribution_hosts")


def build(base: str, spec: Mapping[str, Any], token: str, inherited: Mapping[str, str]) -> dict[str, str]:
    """The program's whole environment: the tuner's, the contract's, the job's own `Environment` above them.

    `OMP_NUM_THREADS` is the number of its own cores, or shares all among the parallel training jobs, unless
    the user set it; the BLAS libraries follow it.

    Parameters
    ----------
    base
        The training directory.
    spec
        What to run (`hpt.executors.order.Order.on`).
    token
        Marks the processes of this attempt.
    inherited
        The tuner's own environment.

    Returns
    -------
    dict
        Values by name.
    """
    own, framework = split_hyperparameters(spec["hyperparameters"])
    training = _training_environment(base, spec, own, framework, _gpus(spec, inherited))
    published = {
        key: training[key] for key in training if key not in _PUBLISHED_WHOLE and key not in _NOT_PUBLISHED
    }
    channels = training["channel_input_dirs"]
    published |= {
        "hps": own,
        "framework_params": framework,
        "channels": sorted(channels),
        "user_args": arguments(own),
        "training_env": training,
    }
    published |= {f"channel_{name}": path for name, path in channels.items()}
    published |= {f"hp_{name}": value for name, value in own.items()}
    if len(training["hosts"]) > 1:
        published |= hosts.rendezvous(spec)
    result = dict(inherited)
    result.setdefault("OMP_NUM_THREADS", str(training["num_cpus"]))
    if spec["python"]:
        result["PYTHONUNBUFFERED"] = "1"
    result |= {f"SM_{name.upper()}": _string(value) for name, value in published.items()}
    for name in [name for name in result if "=" in name or "\0" in name]:
        del result[name]  # of a hyperparameter whose name no variable can have; its value is elsewhere too
    if len(training["hosts"]) > 1:
        result |= {name: result[f"SM_{name}"] for name in ("MASTER_ADDR", "MASTER_PORT")}
    result["TRAINING_JOB_NAME"] = spec["name"]
    result["TRAINING_JOB_ARN"] = training_job_arn(spec["name"])
    result["HPT_REQUESTED_IMAGE"] = spec["requested_image"]
    result |= spec["environment"]
    result |= _visible(spec)
    if spec["python_path"]:
        result["PYTHONPATH"] = os.pathsep.join(filter(None, [spec["python_path"], result.get("PYTHONPATH")]))
    result["SAGEMAKER_BASE_DIR"] = base
    result[ATTEMPT_VARIABLE] = token
    return result
