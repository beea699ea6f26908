"""Earlier names of modules that stored jobs may contain.

A job names modules in two places: in an image `module:NAME`, and wherever a pickled function refers to a
class or function of `hpt`. A module that moves gets an entry here, which is never removed.
"""

from __future__ import annotations

MOVED = {
    **{
        f"hpt.{name}": f"hpt.search.{name}"
        for name in (
            *("convergence", "core", "events", "history", "parameters", "scaling", "space"),
            *("stopping", "strategies", "trial", "tuner"),
        )
    },
    "hpt.strategies.streams": "hpt.search.strategies.randomness",
    "hpt.strategies.transfer": "hpt.search.strategies.related",
    **{
        f"hpt.{name}": f"hpt.job.{name}"
        for name in ("billing", "checks", "completion", "lifecycle", "parents", "warm_start")
    },
    "hpt.job_document": "hpt.job.document",
    "hpt.job_state": "hpt.job.state",
    "hpt.function_worker": "hpt.functions.worker",
    "hpt.reporting": "hpt.functions.reporting",
    "hpt.tune": "hpt.functions.tune",
    "hpt.runner": "hpt.running.runner",
    "hpt.session": "hpt.running.session",
}
"""New names of the modules and packages of version 0.1.0."""


def present_name(module: str) -> str:
    """The present name of a module that a stored job names `module`.

    >>> present_name("hpt.space"), present_name("hpt.strategies.grid"), present_name("mine.space")
    ('hpt.search.space', 'hpt.search.strategies.grid', 'mine.space')
    """
    package, dot, rest = module, "", ""
    while package:
        if package in MOVED:
            return MOVED[package] + dot + rest
        package, _, name = package.rpartition(".")
        dot, rest = ".", f"{name}.{rest}" if rest else name
    return module
