"""Modules that stored jobs know by the name they had when the job was made.

A job names modules in two places: in an image `module:NAME`, and wherever a pickled function refers to a
class or function of `hpt`. A module that moves, with what is in it, gets a line here and keeps it for ever.
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
"""Where modules of version 0.1.0 went, and the packages whose modules went along."""


def present_name(module: str) -> str:
    """What a module is called now that a stored job knows as `module`.

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
