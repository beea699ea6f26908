"""scikit-learn's cross-validated search with the search of `hpt`.

    from hpt.integrations.sklearn import HptSearchCV
    search = HptSearchCV(SVC(), {"C": loguniform(1e-3, 1e3), "kernel": ["rbf", "linear"]}, n_iter=30)
    search.fit(X, y).best_params_

Needs scikit-learn 1.6 (`hpt[sklearn]`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state

import hpt
from hpt.integrations.sklearn_folds import FoldByFoldSearchCV, failed
from hpt.integrations.sklearn_space import space

__all__ = ["HptSearchCV"]


class HptSearchCV(FoldByFoldSearchCV):
    """Bayesian search of an estimator's parameters by cross-validation, in the manner of RandomizedSearchCV.

    Candidates whose fits fail or score NaN count as failures; those of a batch in which no fit succeeded are
    not in `cv_results_`. A finite space ends the search when all of it was tried. Splits must be the same for
    every candidate: give a shuffling `cv` a seed.

    Parameters
    ----------
    param_distributions
        By the name of a parameter: a list of values (any objects), a distribution of `scipy.stats` that is
        bounded and even on a linear or logarithmic scale (`uniform`, `loguniform`, `randint`), or a parameter
        of `hpt`. A list of such dicts is searched as alternatives: each candidate is of one of them.
    n_iter
        How many candidates.
    strategy
        A name that `hpt.Tuner` takes.
    batch_size
        Candidates that are evaluated at once; None: as many as keep `n_jobs` busy.
    stopping_rule
        Such as `hpt.MedianRule()`: candidates that it stops by the mean score of their first folds do not
        meet the others. In `cv_results_` the scores of these, and so the mean, are NaN, and the rank is
        the last.
    estimator, random_state, scoring, n_jobs, refit, cv, verbose, pre_dispatch, error_score
        As RandomizedSearchCV takes them; so is `return_train_score`.
    """

    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        n_iter: int = 10,
        strategy: str = "Bayesian",
        batch_size: int | None = None,
        stopping_rule: Any = None,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
    ) -> None:
        self.param_distributions = param_distributions
        self.n_iter = n_iter
        self.strategy = strategy
        self.batch_size = batch_size
        self.stopping_rule = stopping_rule
        self.random_state = random_state
        super().__init__(
            estimator=estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )

    def _run_search(self, evaluate_candidates: Callable[[Sequence[Mapping[str, Any]]], Any]) -> None:
        splitter = check_cv(self.cv)
        if getattr(splitter, "shuffle", True) and not isinstance(getattr(splitter, "random_state", 0), int):
            raise ValueError(
                "cv shuffles without a seed, so candidates would not compare; give it random_state"
            )
        seed = int(check_random_state(self.random_state).randint(2**31))
        self._rows = []
        given = self.param_distributions
        spaces: Any = (
            space(given)
            if isinstance(given, Mapping)
            else {str(k): space(each) for k, each in enumerate(given)}
        )
        splits, jobs = splitter.get_n_splits(None, None), effective_n_jobs(self.n_jobs)
        if self.stopping_rule is None:
            tuner = hpt.Tuner(spaces, "Maximize", self.strategy, seed=seed)
            batch = self.batch_size or max(1, ceil(jobs / splits))
            failure = self._run_whole(evaluate_candidates, tuner, batch, self._score_name)
        else:
            one_bayesian = self.strategy.lower() == "bayesian" and isinstance(spaces, hpt.SearchSpace)
            options: dict[str, Any] = {"fidelity": True} if one_bayesian else {}
            options["stopping_rule"] = self.stopping_rule
            tuner = hpt.Tuner(spaces, "Maximize", self.strategy, seed=seed, **options)
            failure = self._run_folds(evaluate_candidates, tuner, self.batch_size or jobs, self._score_name)
        if failure is not None and tuner.best() is None:
            raise failure

    def _run_whole(
        self,
        evaluate_candidates: Callable[..., Any],
        tuner: hpt.Tuner,
        batch: int,
        name: Callable[[Any], str],
    ) -> ValueError | None:
        """The whole search, all folds of a batch at once; as `_run_folds`."""
        failure = None
        while (left := self.n_iter - len(tuner.trials)) > 0:
            trials = tuner.ask(min(batch, left))
            if not trials:
                break
            try:
                results = evaluate_candidates([dict(trial.config) for trial in trials])
            except ValueError as error:  # where none of a call's fits succeeded
                failure = failed(self, error)
                for trial in trials:
                    tuner.tell(trial.number, status="Failed")
                continue
            scores = results[name(results)][-len(trials) :]
            for trial, score in zip(trials, scores, strict=True):
                tuner.tell(trial.number, float(score))
        return failure

    def _score_name(self, results: Iterable[str]) -> str:
        """The mean score that is searched for: that of `refit`, or else the first."""
        if isinstance(self.refit, str):
            return f"mean_test_{self.refit}"
        return next(name for name in results if name.startswith("mean_test_"))
