"""scikit-learn's own checks of estimators, and searches as users run them."""

from __future__ import annotations

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn", minversion="1.6")

from scipy.stats import loguniform, norm, randint, uniform  # noqa: E402
from sklearn.datasets import load_iris  # noqa: E402
from sklearn.linear_model import LogisticRegression, Ridge  # noqa: E402
from sklearn.model_selection import KFold  # noqa: E402
from sklearn.svm import SVC  # noqa: E402
from sklearn.tree import DecisionTreeClassifier  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

import hpt  # noqa: E402
from hpt.integrations.sklearn import HptSearchCV  # noqa: E402

X, Y = load_iris(return_X_y=True)
SPACE = {"C": loguniform(1e-3, 1e3), "gamma": loguniform(1e-4, 10), "kernel": ["rbf", "poly"]}


def expected_failures(search):
    """What scikit-learn expects to fail for RandomizedSearchCV, and nothing else."""
    return {"check_supervised_y_2d": "DataConversionWarning not caught", "check_requires_y_none": "no error"}


@parametrize_with_checks(
    [
        HptSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, n_iter=2, cv=3, error_score="raise", random_state=1),
        HptSearchCV(
            LogisticRegression(), {"C": [0.1, 1.0]}, n_iter=2, cv=3, error_score="raise", random_state=1
        ),
    ],
    expected_failed_checks=expected_failures,
)
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_it_finds_a_good_model_and_repeats_itself():
    first, second = (HptSearchCV(SVC(), SPACE, n_iter=15, cv=3, random_state=0).fit(X, Y) for _ in range(2))
    assert first.best_score_ > 0.97
    assert first.cv_results_["params"] == second.cv_results_["params"]
    assert len(first.cv_results_["params"]) == 15
    assert first.predict(X).shape == Y.shape


def test_alternatives_values_of_any_kind_and_parameters_of_hpt():
    spaces = [
        {"kernel": ["linear"], "C": loguniform(1e-3, 1e3)},
        {
            "kernel": ["rbf"],
            "gamma": hpt.ContinuousParameter("gamma", 1e-4, 1, "Logarithmic"),
            "degree": randint(2, 5),
        },
    ]
    found = HptSearchCV(SVC(), spaces, n_iter=12, random_state=0).fit(X, Y).cv_results_["params"]
    assert {tuple(sorted(params)) for params in found} == {("C", "kernel"), ("degree", "gamma", "kernel")}
    assert all(params["degree"] in (2, 3, 4) for params in found if "degree" in params)
    spaces = {"class_weight": [None, "balanced", {0: 2.0}], "max_depth": [None, 2, 3]}
    tree = HptSearchCV(DecisionTreeClassifier(random_state=0), spaces, n_iter=20, random_state=0).fit(X, Y)
    assert len(tree.cv_results_["params"]) == 9


@pytest.mark.filterwarnings("ignore")
def test_failing_candidates_are_survived_and_avoided():
    asked = []

    class Watched(SVC):
        def fit(self, X, y):
            asked.append(self.C)
            return super().fit(X, y)

    spaces = {"C": uniform(-1, 2), "kernel": ["rbf"]}
    search = HptSearchCV(Watched(), spaces, n_iter=20, cv=2, random_state=0).fit(X, Y)
    assert search.best_params_["C"] > 0
    assert len(asked) == 41 and min(asked) < 0
    assert np.mean(np.array(asked[20:]) > 0) > 0.7
    with pytest.raises(ValueError, match="fits failed"):
        HptSearchCV(SVC(), {"C": uniform(-2, 1)}, n_iter=3, cv=2).fit(X, Y)


@pytest.mark.parametrize("refit", ["f1_macro", False])
def test_many_metrics_and_parallel_batches(refit):
    search = HptSearchCV(
        SVC(),
        SPACE,
        n_iter=7,
        scoring=["accuracy", "f1_macro"],
        refit=refit,
        n_jobs=2,
        batch_size=3,
        random_state=0,
    ).fit(X, Y)
    assert len(search.cv_results_["mean_test_f1_macro"]) == 7


def test_what_cannot_be_searched():
    with pytest.raises(ValueError, match="'C': the distribution norm is not bounded"):
        HptSearchCV(SVC(), {"C": norm()}).fit(X, Y)
    with pytest.raises(ValueError, match="give it random_state"):
        HptSearchCV(SVC(), SPACE, cv=KFold(3, shuffle=True)).fit(X, Y)
    HptSearchCV(SVC(), SPACE, n_iter=2, cv=KFold(3, shuffle=True, random_state=1)).fit(X, Y)


class Counted(SVC):
    fits = 0

    def fit(self, X, y):
        type(self).fits += 1
        return super().fit(X, y)


@pytest.mark.parametrize("scoring", [None, ["accuracy", "f1_macro"]])
def test_hopeless_candidates_end_between_folds(scoring):
    Counted.fits = 0
    search = HptSearchCV(
        Counted(),
        SPACE,
        n_iter=24,
        cv=KFold(8, shuffle=True, random_state=0),
        scoring=scoring,
        refit="f1_macro" if scoring else True,
        stopping_rule=hpt.MedianRule(),
        return_train_score=True,
        random_state=0,
    ).fit(X, Y)
    results = search.cv_results_
    name = "f1_macro" if scoring else "score"
    splits = np.array([results[f"split{k}_test_{name}"] for k in range(8)]).T
    fitted = np.isfinite(splits)
    assert Counted.fits == fitted.sum() + 1 < 24 * 8 + 1
    assert (fitted == np.logical_and.accumulate(fitted, axis=1)).all()  # no fold after one that was left out
    whole = fitted.all(axis=1)
    assert 0 < whole.sum() < 24 and np.isnan(results[f"mean_test_{name}"][~whole]).all()
    assert results[f"mean_test_{name}"][whole] == pytest.approx(splits[whole].mean(axis=1))
    assert (results[f"rank_test_{name}"][~whole] > results[f"rank_test_{name}"][whole].max()).all()
    assert np.isfinite(results["mean_fit_time"]).all() and len(results["params"]) == 24
    assert whole[search.best_index_] and search.best_score_ > 0.95 and search.n_splits_ == 8
    assert search.predict(X).shape == Y.shape
    again = search.set_params(stopping_rule=None, n_iter=3).fit(X, Y).cv_results_
    assert len(again["params"]) == 3 and np.isfinite(again[f"split7_test_{name}"]).all()


def test_candidates_are_stopped_by_themselves_whatever_n_jobs_is():
    options = {"n_iter": 12, "batch_size": 3, "cv": 5, "stopping_rule": hpt.MedianRule(), "random_state": 0}
    one, two = (HptSearchCV(SVC(), SPACE, n_jobs=jobs, **options).fit(X, Y) for jobs in (1, 2))
    for name, values in one.cv_results_.items():
        if "time" not in name and name != "params":
            assert np.array_equal(
                np.ma.filled(values, 0),
                np.ma.filled(two.cv_results_[name], 0),
                equal_nan=name.startswith(("split", "mean", "std")),
            ), name
    assert one.cv_results_["params"] == two.cv_results_["params"]


@pytest.mark.filterwarnings("ignore")
def test_failing_candidates_meet_no_further_fold():
    Counted.fits = 0
    spaces = {"C": uniform(-1, 2), "kernel": ["rbf"]}
    search = HptSearchCV(Counted(), spaces, n_iter=20, cv=4, stopping_rule=hpt.MedianRule(), random_state=0)
    assert search.fit(X, Y).best_params_["C"] > 0
    bad = 20 - len(search.cv_results_["params"])
    assert (
        bad > 0
        and Counted.fits
        == np.isfinite([search.cv_results_[f"split{k}_test_score"] for k in range(4)]).sum() + bad + 1
    )
    with pytest.raises(ValueError, match="fits failed"):
        HptSearchCV(SVC(), {"C": uniform(-2, 1)}, n_iter=3, cv=2, stopping_rule=hpt.MedianRule()).fit(X, Y)
