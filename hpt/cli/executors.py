"""The options that say where training jobs run."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from hpt.errors import InputError
from hpt.running.session import Session

LOCAL = "local"
OPTIONS = {"ray": ("address", "lease"), "sagemaker": ("role", "keep_alive", "interval")}
"""What belongs to each executor of other machines."""


def add_arguments(parser: ArgumentParser, *, resume: bool = False) -> None:
    """`--executor` and what belongs to it. resume: the job has its executor, whose options may change."""
    if not resume:
        parser.add_argument(
            "--executor",
            default=LOCAL,
            metavar="KIND",
            help="where training jobs run: local (default), on this host; ray, on the nodes of a Ray "
            "cluster; sagemaker, as training jobs of SageMaker; `hpt resume` goes on with the same",
        )
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="with ray: the head of the cluster; auto (default): the cluster that runs on this host",
    )
    parser.add_argument(
        "--lease",
        metavar="SECONDS",
        help="with ray: how long a node may be silent before its training jobs go elsewhere (default: 10)",
    )
    _add_sagemaker(parser)


def _add_sagemaker(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--role",
        metavar="ARN",
        help="with sagemaker: the execution role of training jobs whose RoleArn is missing",
    )
    parser.add_argument(
        "--keep-alive",
        metavar="SECONDS",
        help="with sagemaker: keep an instance so long for the next training job, which then starts at once "
        "(a warm pool; it is billed meanwhile)",
    )
    parser.add_argument(
        "--interval",
        metavar="SECONDS",
        help="with sagemaker: how often training jobs and logs are looked at (default: 5)",
    )


def session(options: Namespace) -> Session:
    """The state directory, with the executor that was asked for.

    Raises:
        InputError: the options do not go together.
    """
    kind = getattr(options, "executor", None)
    given = {  # an empty one too: a variable of a shell that is not set must not choose another cluster
        name: value
        for names in OPTIONS.values()
        for name in names
        if (value := getattr(options, name)) is not None
    }
    for name in given if kind is not None else ():
        belongs = next(each for each, names in OPTIONS.items() if name in names)
        if kind != belongs:
            option = name.replace("_", "-")
            raise InputError(f"--{option} belongs to another executor; give --executor {belongs} as well")
    return Session(options.state, executor=kind or LOCAL, options=given)
