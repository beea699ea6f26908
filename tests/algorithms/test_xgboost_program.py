"""The training program as a real process under the container contract."""

from __future__ import annotations

import gzip
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import xgboost

from hpt.job.catalog import find_algorithm

from .conftest import DATA, ROOT, Box

LINE = re.compile(r"\[(\d+)\]((?:\t[\w-]+-[\w@.-]+:\S+)+)")
RANDOM = {
    "subsample": "0.7",
    "colsample_bytree": "0.6",
    "colsample_bylevel": "0.7",
    "colsample_bynode": "0.8",
}


def rounds(printed: str) -> dict[int, str]:
    """Metric lines by round number."""
    return {int(match[1]): match[0] for line in printed.splitlines() if (match := LINE.fullmatch(line))}


def values(line: str) -> dict[str, float]:
    return {name: float(value) for name, _, value in (part.rpartition(":") for part in line.split("\t")[1:])}


def load(path: Path) -> xgboost.Booster:
    return xgboost.Booster(model_file=bytearray(path.read_bytes()))


def libsvm(csv: str) -> str:
    rows = [line.split(",") for line in csv.splitlines()]
    return "\n".join(" ".join([row[0], *(f"{i}:{v}" for i, v in enumerate(row[1:]))]) for row in rows)


def test_trains_prints_and_saves(trained: Box) -> None:
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
    code, printed = trained.run(HPT_REQUESTED_IMAGE=image)
    assert (code, trained.failure) == (0, "")
    first, *lines = printed.splitlines()
    assert first == f"hpt: training with XGBoost {xgboost.__version__} (requested 1.7-1)"
    assert [int(LINE.fullmatch(line)[1]) for line in lines] == list(range(20))
    last = values(lines[-1])
    assert list(last) == ["train-logloss", "train-auc", "validation-logloss", "validation-auc"]
    assert last["validation-auc"] > 0.98
    assert trained.checkpoints() == [15, 16, 17, 18, 19]
    assert load(trained.base / "checkpoints/xgboost-checkpoint.17").num_boosted_rounds() == 18

    model = load(trained.model)
    table = np.loadtxt(DATA / "validation.csv", delimiter=",", dtype=np.float32)
    labels, p = table[:, 0], model.predict(xgboost.DMatrix(table[:, 1:])).astype(np.float64)
    logloss = -np.mean(np.where(labels == 1, np.log(p), np.log1p(-p)))
    assert last["validation-logloss"] == pytest.approx(logloss, rel=1e-6)


def test_published_and_own_patterns_read_the_log(trained: Box) -> None:
    trained.hyperparameters(
        num_round="3",
        objective="binary:logistic",
        eval_metric="auc,logloss,f1",
        _tuning_objective_metric="validation:auc",
    )
    code, printed = trained.run()
    assert code == 0
    line = rounds(printed)[2]
    expected = values(line)["validation-auc"]
    own = find_algorithm("xgboost").metric("validation:auc").regex
    published = r".*\[[0-9]+\].*#011validation-auc:(\S+)"
    assert float(re.search(own, line)[1]) == expected
    assert re.search(published, line) is None
    assert float(re.search(published, line.replace("\t", "#011"))[1]) == expected


@pytest.mark.parametrize("kind", ["text/libsvm", "text/x-libsvm", ""])
def test_libsvm_gives_the_model_that_csv_gives(trained: Box, tmp_path: Path, kind: str) -> None:
    assert trained.run()[0] == 0
    other = Box(tmp_path / "other")
    for name in ("train", "validation"):
        text = libsvm((DATA / f"{name}.csv").read_text())
        other.channel(name, gzip.compress(text.encode()), kind, "data.libsvm.gz")
    other.hyperparameters(
        num_round="20", objective="binary:logistic", max_depth="3", eval_metric="logloss,auc"
    )
    code, printed = other.run()
    assert code == 0, printed
    assert other.model.read_bytes() == trained.model.read_bytes()


def test_a_channel_in_pieces_is_the_whole(trained: Box, tmp_path: Path) -> None:
    assert trained.run()[0] == 0
    other = Box(tmp_path / "other")
    lines = (DATA / "train.csv").read_text().splitlines(keepends=True)
    for number, start in enumerate(range(0, len(lines), 150)):
        piece = "".join(lines[start : start + 150]).encode()
        other.channel("train", gzip.compress(piece) if number % 2 else piece, "", f"part-{number}")
    other.channel("validation", kind="")
    other.hyperparameters(
        num_round="20", objective="binary:logistic", max_depth="3", eval_metric="logloss,auc"
    )
    code, printed = other.run()
    assert code == 0, printed
    assert other.model.read_bytes() == trained.model.read_bytes()


def test_the_folder_itself_may_be_a_link(trained: Box) -> None:
    """Channels linked in as a whole, and no inputdataconfig.json at all."""
    (trained.base / "input/config/inputdataconfig.json").unlink()
    for name in ("train", "validation"):
        folder = trained.base / "input/data" / name
        real = folder.rename(trained.base / f"elsewhere-{name}")
        folder.symlink_to(real)
    code, printed = trained.run()
    assert code == 0, printed
    assert "validation-auc" in rounds(printed)[19]


def kill_after(box: Box, line: int, number: signal.Signals) -> str:
    """Signals the program once round `line` is printed; what it printed in all."""
    process = box.start()
    assert process.stdout is not None
    seen = []
    for text in process.stdout:
        seen.append(text)
        if text.startswith(f"[{line}]"):
            process.send_signal(number)
            break
    seen.append(process.stdout.read())
    assert process.wait(60) == (0 if number == signal.SIGTERM else -number)
    return "".join(seen)


@pytest.mark.slow
@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"nthread": "2", **RANDOM},
        {"booster": "dart", "rate_drop": "0.2", "skip_drop": "0.8", **RANDOM},
        {"tree_method": "exact", **RANDOM, "colsample_bynode": "1"},
        {"tree_method": "approx", "num_parallel_tree": "2", **RANDOM},
        {"booster": "gblinear", "updater": "coord_descent"},
    ],
    ids=["plain", "sampled", "dart", "exact", "approx", "linear"],
)
def test_killed_and_resumed_equals_undisturbed(trained: Box, tmp_path: Path, extra: dict[str, str]) -> None:
    texts = {
        "num_round": "400" if extra.get("booster") != "dart" else "150",
        "objective": "binary:logistic",
        **extra,
    }
    whole = Box(tmp_path / "whole")
    for box in (trained, whole):
        box.hyperparameters(**texts, max_depth="3", eta="0.1", seed="7", eval_metric="logloss,accuracy")
    for name in ("train", "validation"):
        whole.channel(name)
    code, undisturbed = whole.run()
    assert code == 0
    first = kill_after(trained, 20, signal.SIGKILL)
    assert not trained.model.exists()
    second = kill_after(trained, max(rounds(first)) + 20, signal.SIGKILL)
    code, third = trained.run()
    assert code == 0
    resumed = re.search(r"hpt: resuming after round (\d+)", third)
    assert resumed is not None
    assert min(rounds(third)) == int(resumed[1]) + 1
    assert min(rounds(second)) >= 20
    assert rounds(first) | rounds(second) | rounds(third) == rounds(undisturbed)
    assert trained.model.read_bytes() == whole.model.read_bytes()


def test_a_damaged_checkpoint_is_passed_over(trained: Box) -> None:
    code, undisturbed = trained.run()
    assert code == 0
    model = trained.model.read_bytes()
    folder = trained.base / "checkpoints"
    (folder / "xgboost-checkpoint.19").write_bytes(b"")
    (folder / "xgboost-checkpoint.18").write_bytes((folder / "xgboost-checkpoint.18").read_bytes()[:500])
    (folder / "xgboost-checkpoint.17").write_bytes((folder / "xgboost-checkpoint.15").read_bytes())
    (folder / "xgboost-checkpoint.16.sagemaker-uploading").write_bytes(b"")
    code, printed = trained.run()
    assert code == 0
    assert printed.count("is damaged, passed over") == 2
    assert "checkpoint 17 holds 16 rounds" in printed
    assert list(rounds(printed)) == [17, 18, 19]
    assert rounds(printed)[19] == rounds(undisturbed)[19]
    assert trained.model.read_bytes() == model


def test_a_finished_run_says_its_last_metrics_again(trained: Box) -> None:
    _, undisturbed = trained.run()
    trained.model.unlink()
    code, printed = trained.run()
    assert code == 0
    assert rounds(printed) == {19: rounds(undisturbed)[19]}
    assert trained.model.exists()


def test_sigterm_stops_after_the_round_and_saves(trained: Box) -> None:
    trained.hyperparameters(
        num_round="100000", objective="binary:logistic", _tuning_objective_metric="validation:auc"
    )
    printed = kill_after(trained, 30, signal.SIGTERM)
    last = max(rounds(printed))
    assert last < 99999
    assert printed.rstrip().endswith("hpt: stopped by SIGTERM")
    assert load(trained.model).num_boosted_rounds() == last + 1
    assert trained.checkpoints()[-1] == last
    assert trained.failure == ""


def test_sigterm_before_the_first_round_ends_well(trained: Box) -> None:
    process = trained.start()
    assert process.stdout is not None
    assert process.stdout.readline().startswith("hpt: training with")
    process.send_signal(signal.SIGTERM)
    begin = time.monotonic()
    printed = process.stdout.read()
    assert process.wait(30) == 0
    assert time.monotonic() - begin < 10
    assert "stopped by SIGTERM" in printed or max(rounds(printed)) == 19


@pytest.mark.slow
def test_early_stopping_keeps_the_best_round_and_survives_a_kill(trained: Box, tmp_path: Path) -> None:
    whole = Box(tmp_path / "whole")
    for name in ("train", "validation"):
        whole.channel(name)
    texts = {"objective": "binary:logistic", "eta": "0.02", "max_depth": "4", **RANDOM}
    for box in (trained, whole):
        box.hyperparameters(
            num_round="5000",
            early_stopping_rounds="40",
            _tuning_objective_metric="validation:logloss",
            **texts,
        )
    code, printed = whole.run()
    assert code == 0
    series = [values(line)["validation-logloss"] for line in rounds(printed).values()]
    best = int(np.argmin(series))
    assert len(series) == best + 41 < 5000
    assert f"at round {best}" in printed
    assert load(whole.model).num_boosted_rounds() == best + 1
    kill_after(trained, best + 2, signal.SIGKILL)
    code, _ = trained.run()
    assert code == 0
    assert trained.model.read_bytes() == whole.model.read_bytes()


def test_without_validation_only_training_metrics_are_printed(trained: Box) -> None:
    (trained.base / "input/config/inputdataconfig.json").write_text('{"train": {"ContentType": "text/csv"}}')
    trained.hyperparameters(
        num_round="2", objective="binary:logistic", early_stopping_rounds="5", eval_metric="error"
    )
    code, printed = trained.run()
    assert code == 0
    assert list(values(rounds(printed)[1])) == ["train-error"]
    assert "early_stopping_rounds has no effect" in printed


@pytest.mark.parametrize(
    ("texts", "metrics"),
    [
        ({"objective": "multi:softprob", "num_class": "3"}, "merror,mlogloss,accuracy,f1,balanced_accuracy"),
        ({"objective": "multi:softmax", "num_class": "3"}, "accuracy,precision_macro,recall_micro"),
        ({"objective": "reg:squarederror"}, "rmse,mae,mse,r2"),
        ({"objective": "binary:hinge"}, "error,accuracy,f1_binary"),
        ({"objective": "binary:logitraw"}, "accuracy,precision,recall"),
        ({"objective": "count:poisson"}, "poisson-nloglik"),
        ({"objective": "survival:aft"}, "aft-nloglik"),
        ({"objective": "reg:squarederror", "booster": "gblinear"}, "r2"),
        ({"objective": "reg:squarederror", "monotone_constraints": "(1," + "0," * 28 + "-1)"}, "rmse"),
        ({"objective": "reg:squarederror", "interaction_constraints": "[[0, 1], [2, 3, 4]]"}, "rmse"),
        ({"objective": "reg:linear", "updater": "grow_histmaker,prune"}, "rmse"),
    ],
)
def test_objectives_and_their_metrics(trained: Box, texts: dict[str, str], metrics: str) -> None:
    trained.hyperparameters(num_round="3", eval_metric=metrics, **texts)
    code, printed = trained.run()
    assert code == 0, printed
    found = values(rounds(printed)[2])
    names = metrics.split(",")
    assert sorted(found) == sorted(
        f"{channel}-{name}" for channel in ("train", "validation") for name in names
    )
    assert all(np.isfinite(list(found.values())))
    if {"accuracy", "error"} <= set(names):
        assert found["validation-accuracy"] == pytest.approx(1 - found["validation-error"], abs=1e-6)
    if {"accuracy", "merror"} <= set(names):
        assert found["validation-accuracy"] == pytest.approx(1 - found["validation-merror"], abs=1e-6)
    if {"mse", "rmse"} <= set(names):
        assert found["validation-mse"] == pytest.approx(found["validation-rmse"] ** 2, rel=1e-5)


def test_ranking_reads_queries(box: Box) -> None:
    rng = np.random.default_rng(0)
    rows = [
        f"{int(x[0] > 0)} qid:{i // 5} 0:{x[0]:.3f} 1:{x[1]:.3f}"
        for i, x in enumerate(rng.normal(size=(60, 2)))
    ]
    box.channel("train", "\n".join(rows), "text/libsvm")
    box.hyperparameters(num_round="3", objective="rank:ndcg", eval_metric="ndcg@3")
    code, printed = box.run()
    assert code == 0, printed
    assert values(rounds(printed)[2])["train-ndcg@3"] > 0.9


def test_weights_change_the_model(box: Box, tmp_path: Path) -> None:
    rows = [line.split(",", 1) for line in (DATA / "train.csv").read_text().splitlines()]
    other = Box(tmp_path / "other")
    for each, weight in ((box, "1"), (other, "5")):
        each.channel(
            "train", "\n".join(f"{label},{weight if label == '1' else 1},{rest}" for label, rest in rows)
        )
        each.hyperparameters(num_round="3", objective="binary:logistic", csv_weights="1")
        assert each.run()[0] == 0
    assert box.model.read_bytes() != other.model.read_bytes()


@pytest.mark.parametrize(
    ("texts", "part"),
    [
        ({"num_round": "2", "eta": "3", "subsample": "x"}, "2 hyperparameter errors"),
        ({}, "num_round: is required"),
        ({"num_round": "2", "objective": "binary:logistic", "base_score": "7"}, "base_score"),
    ],
)
def test_bad_hyperparameters_fail_with_the_reason(trained: Box, texts: dict[str, str], part: str) -> None:
    trained.hyperparameters(**texts)
    code, printed = trained.run()
    assert code == 1
    assert part in trained.failure
    assert "Traceback" not in printed
    assert not trained.model.exists()


@pytest.mark.parametrize(
    ("train", "validation", "part"),
    [
        (None, None, "channel 'train' is missing"),
        ("1,2\n0,3\n", None, "needs a channel 'validation'"),
        ("", "1,2\n", "all empty"),
        ("1,2\n0,3\n", "", "channel 'validation' has no rows"),
        ("1,2\nnan,3\n", "1,2\n", "label of row 2"),
        ("1,2\n0,3\n", "1,2,3\n", "'validation' has 2 features, channel 'train' 1"),
        ("1,2\n2,3\n", "1,2\n", "labels in [0, 1]"),
        ("1,2\n0,3\n", "7,2\n", "'validation'"),
        ("y,x\n0,3\n", "1,2\n", "header"),
    ],
)
def test_bad_data_fails_with_the_reason(
    box: Box, train: str | None, validation: str | None, part: str
) -> None:
    if train is not None:
        box.channel("train", train)
    if validation is not None:
        box.channel("validation", validation)
    box.hyperparameters(num_round="2", objective="binary:logistic", _tuning_objective_metric="validation:auc")
    code, printed = box.run()
    assert code == 1
    assert part in box.failure
    assert f"hpt: training failed: {box.failure}" in printed
    assert "Traceback" not in printed


def test_class_labels_must_be_below_num_class(box: Box) -> None:
    box.channel("train", "0,1\n3,2\n")
    box.hyperparameters(num_round="2", objective="multi:softmax", num_class="3")
    code, _ = box.run()
    assert code == 1
    assert "from 0 to num_class - 1 = 2" in box.failure


@pytest.mark.parametrize(
    ("file", "content", "part"),
    [
        ("hyperparameters.json", None, "is missing"),
        ("hyperparameters.json", "{", "cannot be read as JSON"),
        ("hyperparameters.json", "[]", "not a JSON object"),
        ("inputdataconfig.json", '{"train": {"RecordWrapperType": "RecordIO"}}', "RecordIO"),
        ("resourceconfig.json", '{"hosts": ["algo-1", "algo-2"]}', "InstanceCount"),
    ],
)
def test_bad_configuration_fails_with_the_reason(
    trained: Box, file: str, content: str | None, part: str
) -> None:
    path = trained.base / "input/config" / file
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    code, _ = trained.run()
    assert code == 1
    assert part in trained.failure


def test_checkpoints_go_where_the_job_says(trained: Box) -> None:
    trained.write("input/config/checkpointconfig.json", '{"LocalPath": "/opt/ml/elsewhere/"}')
    assert trained.run()[0] == 0
    assert (trained.base / "elsewhere/xgboost-checkpoint.19").exists()
    assert not (trained.base / "checkpoints").exists()


def test_a_missing_package_is_named_with_the_remedy(trained: Box, tmp_path: Path) -> None:
    broken = tmp_path / "broken" / "xgboost"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('no XGBoost here')")
    code, _ = trained.run(PYTHONPATH=f"{broken.parent}:{ROOT}")
    assert code == 1
    assert "pip install 'hpt[xgboost]'" in trained.failure


def test_neither_scikit_learn_nor_pandas_is_imported(trained: Box, tmp_path: Path) -> None:
    """XGBoost imports both where it finds them, which would treble what a training job costs to start."""
    for name in ("sklearn", "pandas"):
        (tmp_path / "path" / name).mkdir(parents=True)
        (tmp_path / "path" / name / "__init__.py").write_text("raise SystemExit(77)")
    code, printed = trained.run(PYTHONPATH=f"{tmp_path / 'path'}:{ROOT}")
    assert code == 0, printed


def test_an_unwritable_model_folder_fails_with_the_reason(trained: Box) -> None:
    (trained.base / "model").write_text("a file in the way")
    code, _ = trained.run()
    assert code == 2
    assert "model" in trained.failure


def test_a_failure_of_an_earlier_attempt_does_not_stay(trained: Box) -> None:
    trained.write("output/failure", "from before")
    assert trained.run()[0] == 0
    assert trained.failure == ""
