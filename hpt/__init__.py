"""Automatic model tuning that runs anywhere.

    import hpt
    space = hpt.SearchSpace([hpt.ContinuousParameter("eta", 0, 1), hpt.IntegerParameter("max_depth", 1, 10)])
    tuner = hpt.Tuner(space, objective="maximize", strategy="Bayesian", seed=123)
    [trial] = tuner.ask()
    tuner.tell(trial.number, 0.91)

Names are imported when they are first used, so that `import hpt` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpt.errors import BusyError as BusyError
    from hpt.errors import DependencyError as DependencyError
    from hpt.errors import ExecutorError as ExecutorError
    from hpt.errors import HptError as HptError
    from hpt.errors import InputError as InputError
    from hpt.errors import JobExistsError as JobExistsError
    from hpt.errors import JobNotFoundError as JobNotFoundError
    from hpt.errors import JobOwnedError as JobOwnedError
    from hpt.errors import LeaseLostError as LeaseLostError
    from hpt.errors import MissingDependencyError as MissingDependencyError
    from hpt.errors import NotPositiveDefiniteError as NotPositiveDefiniteError
    from hpt.errors import NoTrialSucceededError as NoTrialSucceededError
    from hpt.errors import RetryableError as RetryableError
    from hpt.errors import StateDirectoryError as StateDirectoryError
    from hpt.errors import StorageError as StorageError
    from hpt.errors import TrialStateError as TrialStateError
    from hpt.errors import UnknownTrialError as UnknownTrialError
    from hpt.errors import ValidationError as ValidationError
    from hpt.errors import Violation as Violation
    from hpt.functions.extend import extend as extend
    from hpt.functions.reporting import report as report
    from hpt.functions.tune import run as run
    from hpt.functions.tune import tune as tune
    from hpt.running.jobs import delete as delete
    from hpt.running.jobs import load as load
    from hpt.running.result import TrialResult as TrialResult
    from hpt.running.result import TuningResult as TuningResult
    from hpt.search.history import History as History
    from hpt.search.space import CategoricalParameter as CategoricalParameter
    from hpt.search.space import Constant as Constant
    from hpt.search.space import ContinuousParameter as ContinuousParameter
    from hpt.search.space import IntegerParameter as IntegerParameter
    from hpt.search.space import OrdinalParameter as OrdinalParameter
    from hpt.search.space import SearchSpace as SearchSpace
    from hpt.search.stopping.median import MedianRule as MedianRule
    from hpt.search.stopping.successive_halving import SuccessiveHalving as SuccessiveHalving
    from hpt.search.strategies.base import Suggestion as Suggestion
    from hpt.search.suggest import Cache as Cache
    from hpt.search.suggest import suggest as suggest
    from hpt.search.trial import Decision as Decision
    from hpt.search.trial import ObjectiveStatus as ObjectiveStatus
    from hpt.search.trial import ObjectiveType as ObjectiveType
    from hpt.search.trial import Observation as Observation
    from hpt.search.trial import Report as Report
    from hpt.search.trial import Trial as Trial
    from hpt.search.trial import TrialStatus as TrialStatus
    from hpt.search.tuner import Tuner as Tuner

    __version__: str


def _refuse_subinterpreter() -> None:
    """Raise ImportError in any interpreter but the main one, where the extension modules would hang."""
    try:
        interpreters = import_module("_interpreters")  # Python 3.13
    except ImportError:
        try:
            interpreters = import_module("_xxsubinterpreters")
        except ImportError:
            return
    if interpreters.get_current() != interpreters.get_main():
        raise ImportError(
            "hpt cannot be used in a subinterpreter: its extension modules support the main one only; "
            "import it there (under mod_wsgi, with `WSGIApplicationGroup %{GLOBAL}`)"
        )


_refuse_subinterpreter()

_HOMES = {
    "hpt.errors": (
        "BusyError",
        "DependencyError",
        "ExecutorError",
        "HptError",
        "InputError",
        "JobExistsError",
        "JobNotFoundError",
        "JobOwnedError",
        "LeaseLostError",
        "MissingDependencyError",
        "NoTrialSucceededError",
        "NotPositiveDefiniteError",
        "RetryableError",
        "StateDirectoryError",
        "StorageError",
        "TrialStateError",
        "UnknownTrialError",
        "ValidationError",
        "Violation",
    ),
    "hpt.search.history": ("History",),
    "hpt.functions.extend": ("extend",),
    "hpt.functions.reporting": ("report",),
    "hpt.search.space": (
        "CategoricalParameter",
        "Constant",
        "ContinuousParameter",
        "IntegerParameter",
        "OrdinalParameter",
        "SearchSpace",
    ),
    "hpt.search.stopping.median": ("MedianRule",),
    "hpt.search.stopping.successive_halving": ("SuccessiveHalving",),
    "hpt.search.strategies.base": ("Suggestion",),
    "hpt.search.suggest": ("Cache", "suggest"),
    "hpt.search.trial": (
        "Decision",
        "ObjectiveStatus",
        "ObjectiveType",
        "Observation",
        "Report",
        "Trial",
        "TrialStatus",
    ),
    "hpt.functions.tune": ("run", "tune"),
    "hpt.running.jobs": ("delete", "load"),
    "hpt.running.result": ("TrialResult", "TuningResult"),
    "hpt.search.tuner": ("Tuner",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        value: object = version("hpt")
    elif name == "client":
        value = import_module("hpt.client")
    elif name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module 'hpt' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
