from __future__ import annotations

import re
import subprocess
import sys

import pytest

from hpt.algorithms import ALGORITHMS, find_algorithm
from hpt.trial import ObjectiveType

LINE = "[12]\ttrain-auc:0.99\ttrain-logloss:0.05\tvalidation-auc:0.975\tvalidation-logloss:-3.25e-05"


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("xgboost", None),
        ("xgboost:1.7-1", "1.7-1"),
        ("sagemaker-xgboost:1.5-1", "1.5-1"),
        ("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1", "1.7-1"),
        ("811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1", "1"),
        (
            "387376663083.dkr.ecr.cn-north-1.amazonaws.com.cn/sagemaker-xgboost:0.90-2-cpu-py3",
            "0.90-2-cpu-py3",
        ),
        ("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost@sha256:" + "a" * 64, None),
    ],
)
def test_finds_xgboost_by_name_and_image(image: str, version: str | None) -> None:
    algorithm = find_algorithm(image)
    assert algorithm is not None
    assert (algorithm.name, algorithm.module) == ("xgboost", "hpt.algorithms.xgboost")
    assert algorithm.requested_version == version


@pytest.mark.parametrize(
    "image",
    [
        "",
        "./xgboost",
        "train/xgboost",
        "docker.io/library/xgboost:1",
        "my-xgboost",
        "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost-neuron:1",
        "683313688378.dkr.ecr.us-east-1.amazonaws.com/team/xgboost:1",
    ],
)
def test_leaves_other_images_alone(image: str) -> None:
    assert find_algorithm(image) is None


def test_metrics_are_the_published_ones() -> None:
    xgboost = ALGORITHMS[0]
    directions = [metric.direction for metric in xgboost.metric_definitions]
    assert (directions.count(ObjectiveType.MAXIMIZE), directions.count(ObjectiveType.MINIMIZE)) == (16, 17)
    assert xgboost.metric("validation:auc").direction is ObjectiveType.MAXIMIZE
    assert xgboost.metric("validation:logloss").direction is ObjectiveType.MINIMIZE
    assert xgboost.metric("auc") is None


@pytest.mark.parametrize("line", [LINE, LINE.replace("\t", "#011"), "[2026-01-01:00:00:00:INFO] " + LINE])
def test_patterns_read_the_log_line_with_tab_or_its_escape(line: str) -> None:
    xgboost = ALGORITHMS[0]
    found = {
        metric.name: match[1]
        for metric in xgboost.metric_definitions
        if (match := re.search(metric.regex, line)) is not None
    }
    assert found == {"validation:auc": "0.975", "validation:logloss": "-3.25e-05"}


def test_recommended_ranges_and_requirements() -> None:
    xgboost = ALGORITHMS[0]
    ranges = {each.name: (each.kind, each.min, each.max) for each in xgboost.recommended_ranges}
    assert len(ranges) == 12
    assert ranges["eta"] == ("Continuous", 0.1, 0.5)
    assert ranges["num_round"] == ("Integer", 1, 4000)
    assert xgboost.required_hyperparameters == ("num_round",)
    assert xgboost.epoch_resource == "num_round"
    assert xgboost.checkpoint_support


def test_the_registry_loads_nothing_heavy() -> None:
    code = "import sys, hpt.algorithms; print([m for m in ('numpy', 'scipy', 'xgboost') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
