"""Cross-validation fold by fold, so that hopeless candidates of a search end between folds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import isfinite, nan
from statistics import fmean
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import check_cv
from sklearn.model_selection._search import BaseSearchCV

import hpt


class Folds:
    """The splits of a search, of which one at a time is given."""

    def __init__(self, search: Any) -> None:
        self._search = search
        self._splits: list[Any] = []
        self.place = 0

    def split(self, X: Any, y: Any = None, *args: Any, **params: Any) -> Iterator[Any]:
        if not self._splits:
            cv = check_cv(self._search.cv, y, classifier=is_classifier(self._search.estimator))
            self._splits = list(cv.split(X, y, *args, **params))
        return iter([self._splits[self.place]])

    def get_n_splits(self, *args: Any, **params: Any) -> int:
        return 1


class FoldByFoldSearchCV(BaseSearchCV):
    """A search that evaluates all candidates of a batch on one fold, then those that go on on the next."""

    n_splits_: int
    # The candidate and the fold of each fit; empty where candidates meet all folds at once.
    _rows: list[tuple[int, int]]

    def _run_folds(
        self,
        evaluate_candidates: Callable[..., Any],
        tuner: hpt.Tuner,
        batch: int,
        name: Callable[[Any], str],
    ) -> ValueError | None:
        """The whole search. name: of the mean score that is searched for, from the results.

        Returns:
            The error of the last fits that failed all together, if any.
        """
        folds, failure = Folds(self), None
        count: int = self.n_splits_
        self.n_splits_ = 1  # as scikit-learn counts what one call evaluates
        self._fold_count = count
        try:
            while (left := self.n_iter - len(tuner.trials)) > 0:
                trials = tuner.ask(min(batch, left))
                if not trials:
                    break
                scores: dict[int, list[float]] = {trial.number: [] for trial in trials}
                for folds.place in range(count):
                    self._rows += [(trial.number, folds.place) for trial in trials]
                    try:
                        results = evaluate_candidates([dict(trial.config) for trial in trials], cv=folds)
                    except ValueError as error:  # where none of a call's fits succeeded
                        del self._rows[-len(trials) :]
                        failure = failed(self, error)
                        for trial in trials:
                            tuner.tell(trial.number, status="Failed")
                        break
                    column = results[f"split{folds.place}_{name(results).removeprefix('mean_')}"]
                    order = list(dict.fromkeys(number for number, _ in self._rows))
                    for trial in trials:
                        scores[trial.number].append(float(column[order.index(trial.number)]))
                    trials = [
                        each for each in trials if goes_on(tuner, each.number, scores[each.number], count)
                    ]
                    if not trials:
                        break
        finally:
            self.n_splits_ = count
        return failure

    def _format_results(
        self, candidate_params: Any, n_splits: int, out: Any, more_results: Any = None
    ) -> dict[str, Any]:
        rows = self._rows
        if not rows:
            results: dict[str, Any] = super()._format_results(candidate_params, n_splits, out, more_results)
            return results
        order = list(dict.fromkeys(number for number, _ in rows))
        found = dict(zip(rows, out, strict=True))
        params = dict(zip((number for number, _ in rows), candidate_params, strict=True))
        blank = {key: emptied(value) for key, value in out[0].items()}
        table = [[found.get((number, fold), blank) for fold in range(self._fold_count)] for number in order]
        whole = [all(fit is not blank for fit in fits) for fits in table]
        with catch_warnings():
            if all(np.isfinite(list(scores(fit))).all() for fit in out):
                simplefilter("ignore")  # NaN here says that a fold was not fitted
            results = super()._format_results(
                [params[number] for number in order],
                self._fold_count,
                [fit for fits in table for fit in fits],
                more_results,
            )
        for k in np.flatnonzero(np.logical_not(whole)):  # of the folds that were fitted
            for kind in ("fit_time", "score_time"):
                times = [fit[kind] for fit in table[k] if fit is not blank]
                results[f"mean_{kind}"][k], results[f"std_{kind}"][k] = np.mean(times), np.std(times)
        return results


def goes_on(tuner: hpt.Tuner, number: int, scores: Sequence[float], count: int) -> bool:
    """Tell of a candidate with these scores on its first folds; whether it is to meet the next one."""
    if not isfinite(scores[-1]):
        tuner.tell(number, status="Failed")
    elif len(scores) == count:
        tuner.tell(number, fmean(scores))
    elif tuner.report(number, fmean(scores), len(scores)) is hpt.Decision.STOP:
        tuner.tell(number, status="Stopped")
    else:
        return True
    return False


def failed(search: Any, error: ValueError) -> ValueError:
    """The error of fits that all failed, if it is one that the search survives; it is raised otherwise."""
    if search.error_score == "raise" or "fits failed" not in str(error):
        raise error
    return error


def scores(fit: dict[str, Any]) -> Iterator[float]:
    """The test scores of one fit."""
    found = fit["test_scores"]
    yield from found.values() if isinstance(found, dict) else [found]


def emptied(value: Any) -> Any:
    """What stands for one entry of a fit that was not made."""
    if isinstance(value, dict):
        return dict.fromkeys(value, nan)
    return nan if isinstance(value, int | float | np.number) else None
