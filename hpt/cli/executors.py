"""The options that say where training jobs run."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from hpt.errors import InputError
from hpt.running.session import Session

LOCAL, RAY = "local", "ray"


def add_arguments(parser: ArgumentParser, *, resume: bool = False) -> None:
    """`--executor` and what belongs to it. resume: the job has its executor, whose options may change."""
    if not resume:
        parser.add_argument(
            "--executor",
            default=LOCAL,
            metavar="KIND",
            help="where training jobs run: local (default), on this host, or ray, on the nodes of a Ray "
            "cluster; `hpt resume` goes on with the same",
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


def session(options: Namespace) -> Session:
    """The state directory, with the executor that was asked for.

    Raises:
        InputError: the options do not go together.
    """
    kind = getattr(options, "executor", None)
    given = {name: getattr(options, name) for name in ("address", "lease") if getattr(options, name)}
    if kind == LOCAL and given:
        raise InputError(f"--{min(given)} is for clusters; give --executor {RAY} as well")
    return Session(options.state, executor=kind or LOCAL, options=given)
