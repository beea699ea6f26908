"""LightGBM and CatBoost as real processes under the container contract."""

from __future__ import annotations

import importlib.util
import json
import re
import signal
from pathlib import Path

import numpy as np
import pytest

from hpt.algorithms.boosting import read_data
from hpt.algorithms.container import Channel, StopRequest
from hpt.job.catalog import find_algorithm

from .conftest import DATA, ROOT, Box, rows, text

lightgbm = pytest.importorskip("lightgbm")
needs_catboost = pytest.mark.skipif(
    importlib.util.find_spec("catboost") is None, reason="the catboost package is not installed"
)
BOTH = ["lightgbm", pytest.param("catboost", marks=needs_catboost)]
SLOW = {"num_boost_round": "100000", "early_stopping_rounds": "0", "learning_rate": "0.01"}


def lightgbm_values(printed: str, metric: str) -> dict[int, float]:
    """A metric by round, from the lines of rounds."""
    found = re.findall(rf"^\[(\d+)\]\t.*validation's {metric}: (\S+)", printed, re.MULTILINE)
    return {int(number): float(value) for number, value in found}


def make(tmp_path: Path, program: str, name: str = "ml", **texts: str) -> Box:
    box = Box(tmp_path / name, program)
    for channel in ("train", "validation"):
        box.channel(channel)
    box.hyperparameters(**texts)
    return box


def kill_after(box: Box, line: str, number: signal.Signals) -> str:
    """Signals the program once a line starts with `line`; what it printed in all."""
    process = box.start()
    assert process.stdout is not None
    seen = []
    for printed in process.stdout:
        seen.append(printed)
        if printed.startswith(line):
            process.send_signal(number)
            break
    seen.append(process.stdout.read())
    assert process.wait(60) == (0 if number == signal.SIGTERM else -number), "".join(seen)
    return "".join(seen)


def test_lightgbm_trains_prints_and_saves(tmp_path: Path) -> None:
    box = make(tmp_path, "lightgbm", metric="auc", _tuning_objective_metric="binary_logloss")
    code, printed = box.run(HPT_REQUESTED_IMAGE="lightgbm:2.1")
    assert (code, box.failure) == (0, ""), printed
    assert printed.startswith(f"hpt: training with LightGBM {lightgbm.__version__} (requested 2.1)\n")
    series = lightgbm_values(printed, "auc")
    losses = lightgbm_values(printed, "binary_logloss")
    best = min(losses, key=losses.__getitem__)
    assert max(series) <= best + 10
    # The last value printed is that of the model kept, and the model is the best round's.
    assert printed.splitlines()[-1] == f"[{best}]\tvalidation's binary_logloss: {losses[best]:.9g}"
    model = lightgbm.Booster(model_file=str(box.model))
    assert model.num_trees() == best + 1
    table = np.loadtxt(DATA / "validation.csv", delimiter=",")
    p = model.predict(table[:, 1:])
    loss = -np.mean(np.where(table[:, 0] == 1, np.log(p), np.log1p(-p)))
    assert losses[best] == pytest.approx(loss, rel=1e-6)


def test_patterns_read_lightgbm_lines_whole() -> None:
    line = "[7]\tvalidation's auc: 0.97\tvalidation's binary_logloss: -3.2e-05\tvalidation's l2: nan"
    algorithm = find_algorithm("lightgbm")
    for spelt in (line, line.replace("\t", "#011")):
        found = {m.name: x[1] for m in algorithm.metric_definitions if (x := re.search(m.regex, spelt))}
        assert found == {"auc": "0.97", "binary_logloss": "-3.2e-05", "l2": "nan"}
    assert re.search(r"auc: ([0-9\.]+)", line)[1] == "0.97"  # the published pattern reads it too


@pytest.mark.slow
@pytest.mark.parametrize(
    "extra",
    [
        {"feature_fraction": "0.6", "bagging_fraction": "0.7", "bagging_freq": "3"},
        {"feature_fraction_bynode": "0.5", "feature_fraction": "1", "bagging_fraction": "0.4"},
    ],
)
def test_lightgbm_resumes_to_the_same_trees(tmp_path: Path, extra: dict[str, str]) -> None:
    texts = {"num_boost_round": "400", "early_stopping_rounds": "0", "num_threads": "1", **extra}
    whole, killed = (make(tmp_path, "lightgbm", name, **texts) for name in ("whole", "killed"))
    assert whole.run()[0] == 0
    printed = kill_after(killed, "[25]", signal.SIGKILL)
    assert max(lightgbm_values(printed, "binary_logloss")) < 399
    code, printed = killed.run()
    assert code == 0, printed
    assert "hpt: resuming after round" in printed
    trees, again = (box.model.read_text().partition("\nparameters")[0] for box in (whole, killed))
    assert trees == again


def test_lightgbm_stops_between_rounds(tmp_path: Path) -> None:
    box = make(tmp_path, "lightgbm", **SLOW)
    printed = kill_after(box, "[20]", signal.SIGTERM)
    last = max(lightgbm_values(printed, "binary_logloss"))
    assert printed.rstrip().endswith("hpt: stopped by SIGTERM")
    assert lightgbm.Booster(model_file=str(box.model)).num_trees() == last + 1
    assert box.checkpoints()[-1] == last


def test_lightgbm_finds_the_task_holds_rows_out_and_takes_categories(tmp_path: Path) -> None:
    box = Box(tmp_path / "ml", "lightgbm")
    classes = [[str(i % 3), str(int(i % 3 == 0)), *row[1:4]] for i, row in enumerate(rows())]
    box.channel("training", text(classes), file="train/part.csv")
    box.write("input/data/training/categorical_index.json", json.dumps({"cat_index_list": [1]}))
    box.hyperparameters(num_boost_round="5", early_stopping_rounds="0")
    code, printed = box.run()
    assert code == 0, printed
    assert "objective multiclass, metric multi_logloss" in printed
    assert f"80 of {len(classes)} rows held out" in printed
    model = lightgbm.Booster(model_file=str(box.model))
    assert model.num_trees() == 15
    assert re.search(r"num_cat=[1-9]", box.model.read_text())
    box.hyperparameters(num_boost_round="2", _tuning_objective_metric="rmse")
    code, printed = box.run()
    assert code == 0, printed
    assert "objective regression, metric rmse" in printed


@pytest.mark.parametrize("program", BOTH)
@pytest.mark.parametrize(
    ("texts", "train", "parts"),
    [
        (
            {"learning_rate": "2", "early_stopping_rounds": "x", "metric": "auk", "eval_metric": "auk"},
            None,
            ["learning_rate: '2'", "early_stopping_rounds: 'x'", "'auk'", "3 hyperparameter errors:"],
        ),
        ({"objective": "binary", "loss_function": "Logloss"}, "3,1\n0,2\n", ["from 0 to 1", "the first 3"]),
        ({}, "y,x\n0,3\n", ["header"]),
        ({}, "1,2\n", ["has one row"]),
    ],
    ids=["hyperparameters", "labels", "header", "rows"],
)
def test_every_mistake_is_named_at_once(
    tmp_path: Path, program: str, texts: dict[str, str], train: str | None, parts: list[str]
) -> None:
    box = Box(tmp_path / "ml", program)
    box.channel("train", train)
    box.hyperparameters(**texts)
    code, printed = box.run()
    assert code == 1, printed
    assert all(part in box.failure for part in parts), box.failure
    assert "Traceback" not in printed
    assert not box.model.exists()


@pytest.mark.parametrize("program", BOTH)
def test_a_missing_package_is_named_with_its_extra(tmp_path: Path, program: str) -> None:
    (tmp_path / "broken" / program).mkdir(parents=True)
    (tmp_path / "broken" / program / "__init__.py").write_text("raise ImportError('not here')")
    box = make(tmp_path, program)
    code, _ = box.run(PYTHONPATH=f"{tmp_path / 'broken'}:{ROOT}")
    assert code == 1
    assert f"pip install 'hpt[{program}]'" in box.failure


def catboost_values(printed: str) -> dict[int, float]:
    return {int(n): float(v) for n, v in re.findall(r"^(\d+):\ttest: (\S+)", printed, re.MULTILINE)}


@needs_catboost
def test_catboost_trains_prints_and_saves(tmp_path: Path) -> None:
    import catboost

    box = make(tmp_path, "catboost", iterations="60", learning_rate="0.3", _tuning_objective_metric="Logloss")
    code, printed = box.run()
    assert (code, box.failure) == (0, ""), printed
    values = catboost_values(printed)
    best = min(values, key=values.__getitem__)
    read = find_algorithm("catboost").metric("Logloss").regex
    assert [float(v) for v in re.findall(read, printed)][-1] == values[best]
    assert re.search(find_algorithm("catboost").metric("AUC").regex, printed) is None
    assert re.search(r"bestTest = ([0-9\.]+)", printed)  # the published pattern
    model = catboost.CatBoost().load_model(str(box.model))
    assert model.tree_count_ == best + 1
    table = np.loadtxt(DATA / "validation.csv", delimiter=",")
    p = model.predict(table[:, 1:].astype(np.float32), prediction_type="Probability")[:, 1]
    loss = -np.mean(np.where(table[:, 0] == 1, np.log(p), np.log1p(-p)))
    assert values[best] == pytest.approx(loss, rel=1e-6)


@needs_catboost
def test_catboost_stops_between_rounds(tmp_path: Path) -> None:
    import catboost

    box = make(tmp_path, "catboost", iterations="100000", early_stopping_rounds="0", depth="2")
    printed = kill_after(box, "20:", signal.SIGTERM)
    last = max(catboost_values(printed))
    assert 20 <= last < 99999
    assert printed.rstrip().endswith("hpt: stopped by SIGTERM")
    best = int(re.search(r"bestIteration = (\d+)", printed)[1])
    assert catboost.CatBoost().load_model(str(box.model)).tree_count_ == best + 1 <= last + 1


@needs_catboost
def test_catboost_resumes_to_the_same_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import catboost

    from hpt.algorithms.catboost import hyperparameters, training

    monkeypatch.setattr(training, "_SNAPSHOT_SECONDS", 0)
    settings = hyperparameters.read(
        {
            "iterations": "30",
            "early_stopping_rounds": "0",
            "thread_count": "1",
            "eval_metric": "Logloss",  # better with each round, so that no tree is cut off
        }
    )
    channels = {name: Channel(name, DATA / f"{name}.csv") for name in ("train", "validation")}
    data = read_data(channels, "CatBoost", 1)
    stop = StopRequest()
    printed: list[str] = []

    def log(line: str) -> None:
        printed.append(line)
        stop.received = line.startswith("9:")

    def run(name: str) -> object:
        content = training.train(settings, data, tmp_path / name / "snapshot", stop, log)
        (tmp_path / f"{name}.cbm").write_bytes(content)
        return catboost.CatBoost().load_model(str(tmp_path / f"{name}.cbm"))

    assert run("stopped").tree_count_ == 10
    printed.clear()
    resumed = run("stopped")
    assert min(catboost_values("\n".join(printed))) == 10
    log("")
    (tmp_path / "stopped/snapshot").write_bytes(b"damaged")
    whole = run("stopped")  # a damaged snapshot is no snapshot; the run stops after round 9 again
    assert whole.tree_count_ == 10
    whole = run("stopped")
    X = data.validation.X
    np.testing.assert_array_equal(resumed.predict(X), whole.predict(X))
    assert resumed.tree_count_ == whole.tree_count_ == 30


@needs_catboost
def test_catboost_takes_categories_and_classes(tmp_path: Path) -> None:
    box = Box(tmp_path / "ml", "catboost")
    classes = [[str(i % 3), str(int(i % 3 == 0)), *row[1:4]] for i, row in enumerate(rows())]
    box.channel("train", text(classes))
    box.write("input/data/train/categorical_index.json", json.dumps({"cat_index_list": [1]}))
    box.hyperparameters(iterations="5", eval_metric="Accuracy", loss_function="MultiClass")
    code, printed = box.run()
    assert code == 0, printed
    assert "loss function MultiClass, metric Accuracy" in printed
    box.write("input/data/train/categorical_index.json", json.dumps({"cat_index_list": [0]}))
    assert box.run()[0] == 1
    assert "column 0 is the label" in box.failure
