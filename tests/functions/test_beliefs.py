"""The best trial of a noisy function by what the search believes, in Python and at the command line."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path

import pandas as pd
import pytest

import hpt
from hpt.cli.main import main
from hpt.errors import InputError, ValidationError
from tests.functions.functions import fails, noisy, some_fail

SPACE = hpt.SearchSpace([hpt.IntegerParameter("x", 0, 2), hpt.CategoricalParameter("kind", ["good", "bad"])])
JOBS = 16


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a job of a finite space whose configurations are tried again, `noisy`."""
    state = tmp_path_factory.mktemp("state")
    job(state)
    return state


def job(state: Path, **changes: bool) -> hpt.TuningResult:
    arguments = {"repeats": True, "max_parallel_jobs": 2, **changes}
    return hpt.tune(
        noisy, SPACE, objective="minimize", max_jobs=JOBS, seed=1, name="noisy", state=state, **arguments
    )


def test_both_bests_of_a_result(state: Path) -> None:
    result = hpt.load("noisy", state)
    assert (
        len(result.trials)
        == JOBS
        > len({(trial.config["x"], trial.config["kind"]) for trial in result.trials})
    )
    luckiest, believed = result.best(), result.best(by="belief")
    assert luckiest is not None and luckiest == result.best_trial and luckiest.believed is None
    assert luckiest.value == min(trial.value for trial in result.trials if trial.value is not None)
    assert believed is not None and believed.believed is not None and believed.config["x"] == 0
    assert abs(believed.believed - 0.2 * (believed.config["kind"] == "bad")) < 0.3
    assert believed.deviation is not None and 0 < believed.deviation < 0.3
    beliefs = [trial.believed for trial in result.beliefs() if trial.believed is not None]
    assert len(beliefs) == JOBS and beliefs == sorted(beliefs)
    assert hpt.load("noisy", state).best(by="belief") == believed
    kept = pickle.loads(pickle.dumps(result))
    assert kept == result and kept.best(by="belief") == believed
    with pytest.raises(InputError, match="by 'luck' is not known; use one of 'value', 'belief'"):
        result.best(by="luck")


def test_beliefs_in_tables(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = hpt.load("noisy", state)
    frame = result.to_dataframe(belief=True)
    assert "believed" not in result.to_dataframe()
    believed = result.best(by="belief")
    assert believed is not None and frame["believed"].min() == believed.believed
    assert str(frame["deviation"].dtype) == "float64"

    def shown(*words: str) -> str:
        assert main([*words, "--state", str(state)]) == 0
        return capsys.readouterr().out

    table = shown("trials", "noisy", "--sort", "belief").splitlines()
    assert "BELIEVED" in table[0] and table[1].startswith(believed.name) and "+-" in table[1]
    assert "BELIEVED" not in shown("trials", "noisy")
    rows = pd.read_csv(io.StringIO(shown("trials", "noisy", "--sort", "belief", "--csv")))
    assert rows["number"][0] == believed.number and rows["believed"].is_monotonic_increasing
    documents = json.loads(shown("trials", "noisy", "--sort", "belief", "--json"))
    assert documents[0]["Believed"] == {"Mean": believed.believed, "Deviation": believed.deviation}
    assert "believed     " in shown("trials", "noisy", str(believed.number), "--sort", "belief")
    text = shown("describe", "noisy", "--best", "belief")
    assert f"\nbelieved    {believed.name}\n  believed to be the best: objective is " in text
    assert "believed" not in shown("describe", "noisy")
    document = json.loads(shown("describe", "noisy", "--best", "belief", "--json"))
    assert document["BelievedBestTrainingJob"]["TrainingJobName"] == believed.name
    assert document["BelievedBestTrainingJob"]["Value"] == believed.value
    assert document["BestTrainingJob"]["TrainingJobName"] == result.best().name  # type: ignore[union-attr]


def test_repetitions_are_part_of_the_job(state: Path) -> None:
    assert job(state) == hpt.load("noisy", state), "the same call answers with the job that has ended"
    with pytest.raises(ValidationError, match=r"the ranges allow 6\.0 combinations, not enough for 16"):
        job(state, repeats=False)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_job_of_failures_believes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = hpt.tune(
        fails, SPACE, max_jobs=2, seed=1, name="failures", state=tmp_path, on_failure="warn", verbose=False
    )
    assert result.best(by="belief") is None and result.beliefs() == ()
    assert result.to_dataframe(belief=True)["believed"].isna().all()
    for words in (["describe", "failures", "--best"], ["trials", "failures", "--sort"]):
        assert main([*words, "belief", "--state", str(tmp_path)]) == 0
    assert "best        none" in capsys.readouterr().out


def test_what_repeats_does_not_go_with(tmp_path: Path) -> None:
    for arguments, message in (
        (
            {"repeats": True, "strategy": "random"},
            "repeats: Random repeats no configuration; leave it out, or use Bayesian",
        ),
        ({"repeats": "yes"}, "repeats 'yes' is not a boolean"),
    ):
        with pytest.raises(InputError, match=message):
            hpt.tune(noisy, SPACE, max_jobs=2, state=tmp_path, name="refused", **arguments)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_random_search_is_lent_a_model_and_failures_have_none(tmp_path: Path) -> None:
    space = hpt.SearchSpace(
        [hpt.ContinuousParameter("x", -1, 1), hpt.CategoricalParameter("kind", ["good", "bad"])]
    )
    result = hpt.tune(some_fail, space, strategy="Random", max_jobs=6, seed=1, name="some", state=tmp_path)
    usable = {trial.number for trial in result.trials if trial.value is not None}
    assert 0 < len(usable) < 6 and {trial.number for trial in result.beliefs()} == usable
    assert result.to_dataframe(belief=True)["believed"].isna().sum() == 6 - len(usable)
