"""Ray's searcher cases, rewritten: values that are not finite, evaluated points, spaces, save and restore."""

from __future__ import annotations

import copy
import pickle

import pytest

tune = pytest.importorskip("ray.tune")

from ray.tune.search import ConcurrencyLimiter, Searcher  # noqa: E402

from hpt.integrations.ray import HptSearch  # noqa: E402

SPACE = {
    "list": [1, 2, {"in": tune.choice([None, (64, 64), "a"])}],
    "num": 4,
    "empty": {"a": [], "b": {}},
    "nested": {"x": tune.uniform(-5, 5), "lr": tune.loguniform(1e-4, 1)},
    "q": tune.quniform(0.1, 1, 0.1),
    "n": tune.randint(3, 9),
    "qn": tune.qrandint(4, 16, 4),
    "ln": tune.lograndint(1, 100),
    "one": tune.randint(3, 4),
    "same": tune.uniform(1, 1),
}


def loss(config):
    return (config["nested"]["x"] - 1) ** 2 + config["n"]


def run(search, trials, start=0):
    made = []
    for k in range(start, start + trials):
        config = search.suggest(f"t{k}")
        made.append(config)
        search.on_trial_result(f"t{k}", {"loss": loss(config) + 1, "training_iteration": 1})
        search.on_trial_complete(f"t{k}", {"loss": loss(config), "training_iteration": 2, "done": True})
    return made


def searcher(**options):
    return HptSearch(SPACE, "loss", "min", seed=1, **options)


def test_the_space_is_kept_as_it_is():
    made = run(searcher(), 25)
    for config in made:
        assert list(config) == list(SPACE)
        assert config["num"] == 4 and config["list"][:2] == [1, 2] and config["empty"] == {"a": [], "b": {}}
        assert config["list"][2]["in"] in (None, (64, 64), "a")
        assert config["n"] in range(3, 9) and config["qn"] in (4, 8, 12, 16) and config["ln"] in range(1, 100)
        assert config["q"] in [round(k / 10, 1) for k in range(1, 11)]
        assert (config["one"], config["same"]) == (3, 1.0)
        assert type(config["n"]) is int and type(config["q"]) is float
    assert min(map(loss, made)) < 3.3


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), None, "high"])
def test_invalid_values_do_not_break(bad):
    search = searcher()
    for k in range(12):
        config = search.suggest(f"t{k}")
        value = bad if k % 3 == 2 else loss(config)
        search.on_trial_result(f"t{k}", {"loss": value, "training_iteration": 1})
        search.on_trial_complete(f"t{k}", {"loss": value, "training_iteration": 1}, error=k % 5 == 4)
        search.on_trial_result(f"t{k}", {"loss": 0.0, "training_iteration": 2})
        search.on_trial_complete(f"t{k}", {"loss": 0.0}, error=True)
    assert search._tuner.best().value == min(
        trial.value for trial in search._tuner.trials if trial.value is not None
    )
    assert len(search._tuner.history.running) == 0


def test_evaluated_points():
    search = searcher()
    config = searcher().suggest("a")
    search.add_evaluated_point(config, 3.5)
    search.add_evaluated_point(config, 3.0, pruned=True, intermediate_values=[5.0, 3.0])
    search.add_evaluated_point(config, 0.0, error=True)
    search.add_evaluated_point(config, float("nan"))
    search.add_evaluated_point({**config, "n": 99}, 0.0)
    search.add_evaluated_point({"other": 1}, 0.0)
    assert [str(trial.status) for trial in search._tuner.trials] == [
        "Completed",
        "Stopped",
        "Failed",
        "Completed",
    ]
    assert search._tuner.trials[0].value == 3.5
    assert search.suggest("b") != config


def test_save_and_restore_go_on_with_the_same_suggestions(tmp_path):
    whole, part = searcher(), searcher()
    made = run(whole, 18)
    assert run(part, 9) == made[:9]
    part.suggest("lost")
    whole_with = searcher()
    run(whole_with, 9)
    whole_with.suggest("lost")
    part.save(str(tmp_path / "search.pkl"))
    for again in (HptSearch(), searcher()):
        again.restore(str(tmp_path / "search.pkl"))
        assert run(again, 5, 9) == run(copy.deepcopy(whole_with), 5, 9)
    for twin in (copy.deepcopy(part), pickle.loads(pickle.dumps(part))):
        assert run(twin, 3, 9) == run(copy.deepcopy(whole_with), 3, 9)


def test_properties_come_from_the_tuner_once():
    search = HptSearch(seed=1)
    with pytest.raises(RuntimeError, match="no space"):
        search.suggest("a")
    assert search.set_search_properties("loss", "max", SPACE)
    assert not search.set_search_properties("loss", "min", SPACE)
    search.suggest("a")
    search.on_trial_complete("a", {"loss": 3.0})
    assert search._tuner.best().value == 3.0 and search._tuner.objective == "Maximize"


def test_a_finite_space_ends_and_a_limit_holds():
    search = HptSearch({"a": tune.choice([1, 2]), "b": tune.choice([True, False])}, "loss", "min", seed=1)
    limited = ConcurrencyLimiter(search, 2)
    assert [limited.suggest(str(k)) is None for k in range(3)] == [False, False, True]
    limited.on_trial_complete("0", {"loss": 1.0})
    limited.on_trial_complete("1", error=True)
    assert all(limited.suggest(str(k)) for k in (3, 4))
    limited.on_trial_complete("3", {"loss": 1.0})
    assert limited.suggest("5") == Searcher.FINISHED


@pytest.mark.parametrize(
    "space",
    [{"x": tune.randn(0, 1)}, {"x": tune.sample_from(lambda spec: 1)}, {"x": tune.grid_search([1, 2])}],
    ids=["randn", "sample_from", "grid_search"],
)
def test_what_cannot_be_searched(space):
    with pytest.raises(ValueError, match="use"):
        HptSearch(space, "loss", "min")
