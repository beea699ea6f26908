"""Whether the libraries that run tuning jobs are installed; `hpt` alone is the library, which runs none."""

from __future__ import annotations

from importlib.util import find_spec

from hpt.errors import MissingDependencyError

JOBS = {
    "boto3": "boto3",
    "cloudpickle": "cloudpickle",
    "psutil": "psutil",
    "PyYAML": "yaml",
    "rich": "rich",
}
"""The distributions of `hpt[jobs]` and the modules that they install. Numba is not required: without it logs
are only read more slowly.
"""


def require_jobs(what: str) -> None:
    """Refuse where `hpt[jobs]` is not installed.

    what: the command, function or module that needs it, as the user wrote it.

    Raises:
        MissingDependencyError: it names what is missing and what installs it.
    """
    missing = [distribution for distribution, module in JOBS.items() if find_spec(module) is None]
    if missing:
        raise MissingDependencyError(what, "jobs", missing)
