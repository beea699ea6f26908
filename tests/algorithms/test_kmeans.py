"""k-means: what it finds, that it resumes, its settings, its program as a process."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from hpt.algorithms.channels import Table
from hpt.algorithms.checkpoints import Checkpoints
from hpt.algorithms.container import Channel, StopRequest, UserError
from hpt.algorithms.kmeans import training
from hpt.algorithms.kmeans.__main__ import read_rows
from hpt.algorithms.kmeans.hyperparameters import read
from hpt.algorithms.loop import Loop
from hpt.job.catalog import find_algorithm

from .conftest import Box, without_labels

CENTERS = np.array([[0, 0], [10, 0], [0, 10], [10, 10]], dtype=np.float64)
REQUIRED = {"feature_dim": "2", "k": "4"}


def table(seed: int, count: int = 400) -> Table:
    rng = np.random.default_rng(seed)
    X = CENTERS[rng.integers(0, 4, count)] + rng.normal(size=(count, 2))
    return Table("x", np.zeros(count, np.float32), dense=X.astype(np.float32))


def fit(folder: Path, texts: dict[str, str], stop_after: str = "never") -> tuple[np.ndarray, list[str]]:
    stop, printed = StopRequest(), []

    def log(line: str) -> None:
        printed.append(line)
        stop.received = stop.received or f"completed {stop_after} %" in line

    tables = {"train": table(0), "test": table(1)}
    settings = read({**REQUIRED, **texts})
    loop = Loop(Checkpoints(folder, "c"), stop, log, "epoch", "epochs")
    return training.train(settings, tables, loop), printed


@pytest.mark.parametrize("start", ["random", "kmeans++"])
@pytest.mark.parametrize("extra", [{}, {"half_life_time_size": "50"}, {"extra_center_factor": "10"}])
def test_it_finds_the_clusters_and_measures_the_distance(
    tmp_path: Path, start: str, extra: dict[str, str]
) -> None:
    texts = {"init_method": start, "mini_batch_size": "50", "epochs": "3", "eval_metrics": "msd,ssd", **extra}
    centers, printed = fit(tmp_path, texts)
    gaps = ((centers[:, None] - CENTERS) ** 2).sum(axis=2)
    assert (gaps.min(axis=0) < 0.25).all()
    X = table(1).dense.astype(np.float64)
    squares = ((X[:, None] - centers) ** 2).sum(axis=2).min(axis=1)
    for name, value in (("msd", squares.mean()), ("ssd", squares.sum())):
        regex = find_algorithm("kmeans").metric(f"test:{name}").regex
        [found] = [float(match[1]) for line in printed if (match := re.search(regex, line))]
        assert found == pytest.approx(value, rel=1e-6)


def test_one_batch_of_one_epoch_is_one_step_of_means(tmp_path: Path) -> None:
    """With as many centres as clusters, each ends at the mean of the rows that were nearest to its start."""
    texts = {"extra_center_factor": "1", "mini_batch_size": "1000", "init_method": "random"}
    centers, _ = fit(tmp_path, texts)
    X = table(0).dense.astype(np.float64)
    start = training._start(read({**REQUIRED, **texts}), X)
    nearest = ((X[:, None] - start) ** 2).sum(axis=2).argmin(axis=1)
    means = [X[nearest == i].mean(axis=0) for i in range(4)]
    np.testing.assert_allclose(centers, means)


def test_it_resumes_to_the_bit(tmp_path: Path) -> None:
    texts = {"epochs": "6", "mini_batch_size": "30", "half_life_time_size": "1000"}
    whole, _ = fit(tmp_path / "whole", texts)
    fit(tmp_path / "stopped", texts, stop_after="50")
    resumed, printed = fit(tmp_path / "stopped", texts)
    assert printed[0] == "hpt: resuming after epoch 2 from c.2"
    np.testing.assert_array_equal(whole, resumed)


@pytest.mark.parametrize(
    ("texts", "part"),
    [
        ({"k": "0", "init_method": "best", "eval_metrics": "mad"}, "3 hyperparameter errors"),
        ({"extra_center_factor": "0"}, "or auto"),
    ],
)
def test_broken_rules_are_named(texts: dict[str, str], part: str) -> None:
    with pytest.raises(UserError) as caught:
        read({**REQUIRED, **texts})
    assert part in str(caught.value)


def test_more_clusters_than_rows(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="k is 401, but channel 'train' has 400 rows"):
        fit(tmp_path, {"k": "401"})
    assert len(fit(tmp_path, {"k": "400"})[0]) == 400


@pytest.mark.slow
def test_the_program(tmp_path: Path) -> None:
    box = Box(tmp_path / "ml", "kmeans")
    for name, source in (("train", "train"), ("test", "validation")):
        box.channel(name, without_labels(source), "text/csv;label_size=0")
    box.hyperparameters(feature_dim="30", k="5", _tuning_objective_metric="test:ssd")
    code, printed = box.run()
    assert (code, box.failure) == (0, ""), printed
    assert re.search(r"^#quality_metric: host=algo-1, test ssd <loss>=\S+$", printed, re.MULTILINE)
    assert box.checkpoints() == [0]
    with np.load(box.model) as model:
        assert model["centers"].shape == (5, 30)
    for content_type in ("text/csv", "text/csv;label_size=1"):
        box.channel("train", without_labels("train"), content_type)
        assert box.run()[0] == 1
        assert "they have 30 columns; if there is no label, give text/csv;label_size=0" in box.failure
    box.channel("train", without_labels("train"), "text/csv;label_size=2")
    assert box.run()[0] == 1
    assert "label_size must be 0 or 1" in box.failure


LABELLED = "1,0.5,2\n0,1.5,3\n,2.5,4\n"
PLAIN = "0.5,2\n1.5,3\n2.5,4\n"


@pytest.mark.parametrize(
    ("rows", "content_type"),
    [
        (LABELLED, "text/csv"),
        (LABELLED, "text/csv; label_size=1"),
        (LABELLED, ""),
        (PLAIN, "text/csv;label_size=0"),
        (PLAIN, ""),
    ],
)
def test_a_label_is_ignored_where_rows_have_one(tmp_path: Path, rows: str, content_type: str) -> None:
    """As the service reads a content type: CSV rows begin with a label unless `label_size=0`."""
    (tmp_path / "rows.csv").write_text(rows)
    table = read_rows(Channel("train", tmp_path, content_type), 2)
    assert table.dense is not None
    assert table.dense.tolist() == [[0.5, 2.0], [1.5, 3.0], [2.5, 4.0]]
