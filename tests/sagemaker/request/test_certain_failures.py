"""What is certain to fail, or to have no effect, is reported before anything starts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from hpt.errors import ValidationError
from hpt.sagemaker.request.parse import JobRequest, read_request
from tests.sagemaker.request.samples import CONFIG, JOB, channel, edit, local, single

INPUT = f"{JOB}.InputDataConfig"


def refused(request: dict[str, Any], folder: Path | None = None) -> tuple[str, str]:
    with pytest.raises(ValidationError) as caught:
        read_request(request, base_dir=folder)
    [violation] = caught.value.violations
    return violation.path, violation.message


def described(kind: str, image: str, statics: dict[str, str], metric: str) -> dict[str, Any]:
    changes = {
        f"{JOB}.AlgorithmSpecification.TrainingImage": image,
        f"{JOB}.StaticHyperParameters": statics,
        f"{CONFIG}.HyperParameterTuningJobObjective": {"Type": kind, "MetricName": metric},
        f"{CONFIG}.ParameterRanges": {
            "IntegerParameterRanges": [{"Name": "k", "MinValue": "1", "MaxValue": "99"}]
        },
        INPUT: [channel("train"), channel("test")],
    }
    return edit(single(), changes)


KMEANS = described("Minimize", "kmeans", {"feature_dim": "2"}, "test:msd")
KNN = described(
    "Maximize",
    "knn",
    {"feature_dim": "2", "predictor_type": "classifier", "sample_size": "9"},
    "test:accuracy",
)


class TestContentTypes:
    @pytest.mark.parametrize(
        "content_type",
        ["application/x-parquet", "application/x-recordio-protobuf", "application/json", "image/png", "csvv"],
    )
    @pytest.mark.parametrize("name", [0, 1])
    def test_one_that_a_built_in_cannot_read(self, content_type: str, name: int) -> None:
        path = f"{INPUT}[{name}].ContentType"
        assert refused(edit(single(), {path: content_type})) == (
            path,
            f"{content_type!r} is not supported by xgboost here; use text/csv or text/libsvm, or leave it "
            "out",
        )

    @pytest.mark.parametrize(
        "content_type",
        ["text/csv", "text/csv; label_size=1", "TEXT/CSV", "libsvm", "text/x-libsvm", "text/plain"],
    )
    def test_one_that_it_can(self, content_type: str) -> None:
        read_request(edit(single(), {f"{INPUT}[0].ContentType": content_type}))

    def test_one_of_a_channel_that_it_does_not_read(self) -> None:
        other = {**channel("pictures"), "ContentType": "image/png"}
        read_request(edit(single(), {INPUT: [channel("train"), channel("validation"), other]}))

    def test_one_of_a_program_of_the_user_s_own(self, tmp_path: Path) -> None:
        (tmp_path / "train.py").write_text("")
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "train.csv").write_text("")
        read_request(edit(local(), {f"{INPUT}[0].ContentType": "application/x-parquet"}), base_dir=tmp_path)

    @pytest.mark.parametrize("size", ["0", "1"])
    def test_labels_of_k_means(self, size: str) -> None:
        read_request(edit(KMEANS, {f"{INPUT}[0].ContentType": f"text/csv;label_size={size}"}))

    def test_labels_of_others(self) -> None:
        path = f"{INPUT}[0].ContentType"
        assert refused(edit(single(), {path: "text/csv;label_size=0"})) == (
            path,
            "'text/csv;label_size=0': label_size must be 1 for xgboost",
        )


class TestChannels:
    def test_the_channel_of_the_objective(self) -> None:
        assert refused(edit(single(), {INPUT: [channel("train")]})) == (
            INPUT,
            "the objective 'validation:auc' needs a channel 'validation' (channels given: train); add it",
        )
        assert refused(edit(KMEANS, {INPUT: [channel("train"), channel("validation")]}))[1] == (
            "the objective 'test:msd' needs a channel 'test' (channels given: train, validation); add it"
        )

    def test_an_objective_on_the_training_data_needs_no_other(self) -> None:
        objective = {f"{CONFIG}.HyperParameterTuningJobObjective.MetricName": "train:auc"}
        read_request(edit(single(), {INPUT: [channel("train")], **objective}))

    def test_the_channel_of_the_training_data(self) -> None:
        assert refused(edit(single(), {INPUT: [channel("training"), channel("validation")]})) == (
            INPUT,
            "xgboost needs a channel 'train' (channels given: training, validation); add it",
        )

    @pytest.mark.parametrize("name", ["train", "training"])
    def test_lightgbm_takes_either_name_and_holds_rows_out_itself(self, name: str) -> None:
        pytest.importorskip("lightgbm")
        changes = {
            f"{JOB}.AlgorithmSpecification.TrainingImage": "lightgbm",
            f"{CONFIG}.HyperParameterTuningJobObjective.MetricName": "auc",
            INPUT: [channel(name)],
        }
        read_request(edit(single(), changes))


class TestPrograms:
    def program(
        self, folder: Path, content: str | bytes, mode: int = 0o755, name: str = "run"
    ) -> dict[str, Any]:
        (folder / "data").mkdir()
        (folder / "data" / "train.csv").write_text("")
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return edit(local(), {f"{JOB}.AlgorithmSpecification.TrainingImage": name})

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            ("", "is an empty file"),
            ("echo hello\n", "neither a native program nor a script whose first line names its interpreter"),
            ("#!/no/such/interpreter\n", "names the interpreter /no/such/interpreter, which is not there"),
            ("#!\n", "names no interpreter"),
            ("#!/bin/sh\r\necho\r\n", "has the line ends of Windows"),
            ("#!/usr/bin/env no-such-command-here\n", "'no-such-command-here', which is not on the PATH"),
            ("#!/usr/bin/env -S no-such-command -u\n", "'no-such-command', which is not on the PATH"),
            ("#!/etc\n", "is not there or not executable"),
            (b"\x00\x01\x02", "neither a native program"),
        ],
    )
    def test_one_that_the_system_cannot_start(self, tmp_path: Path, content: str | bytes, words: str) -> None:
        path, message = refused(self.program(tmp_path, content), tmp_path)
        assert path == f"{JOB}.AlgorithmSpecification.TrainingImage"
        assert words in message

    @pytest.mark.parametrize(
        "content",
        [
            "#!/bin/sh\n",
            "#! /bin/sh -e\n",
            "#!/usr/bin/env sh\n",
            f"#!{sys.executable}\nprint(1)\n",
            "#!./sh\n",
        ],
    )
    def test_one_that_it_can(self, tmp_path: Path, content: str) -> None:
        read_request(self.program(tmp_path, content), base_dir=tmp_path)

    def test_a_native_one(self, tmp_path: Path) -> None:
        read_request(self.program(tmp_path, Path("/bin/true").read_bytes()), base_dir=tmp_path)

    def test_one_that_is_not_executable(self, tmp_path: Path) -> None:
        message = refused(self.program(tmp_path, "#!/bin/sh\n", 0o644), tmp_path)[1]
        assert "is neither executable nor a .py file; make it executable" in message

    def test_one_that_is_not_there(self, tmp_path: Path) -> None:
        request = self.program(tmp_path, "#!/bin/sh\n")
        (tmp_path / "run").unlink()
        assert "does not exist" in refused(request, tmp_path)[1]

    def test_python_that_does_not_compile(self, tmp_path: Path) -> None:
        message = refused(self.program(tmp_path, "x = 1\ndef f(:\n", name="train.py"), tmp_path)[1]
        assert "train.py:2 is not valid Python" in message

    @pytest.mark.parametrize("content", ["", "# -*- coding: latin-1 -*-\n# \xe4\n", "assert (1, 'always')\n"])
    def test_python_that_does(self, tmp_path: Path, content: str) -> None:
        request = self.program(tmp_path, content.encode("latin-1"), 0o644, "train.py")
        read_request(request, base_dir=tmp_path)


class TestWithoutEffect:
    """A warning, for such a job runs."""

    def warnings(self, request: dict[str, Any], changes: dict[str, Any]) -> list[str]:
        read: JobRequest = read_request(edit(request, changes))
        return [each for each in read.warnings if "has no effect" in each]

    @pytest.mark.parametrize(("request_", "name"), [(KNN, "knn"), (KMEANS, "kmeans")], ids=["knn", "kmeans"])
    def test_stopping_an_algorithm_that_reports_once(self, request_: dict[str, Any], name: str) -> None:
        once = f"{name} reports its metrics once, at its end: no training job is stopped early"
        early = {f"{CONFIG}.TrainingJobEarlyStoppingType": "Auto"}
        assert self.warnings(request_, early) == [
            f"{CONFIG}.TrainingJobEarlyStoppingType has no effect, since {once}"
        ]
        hyperband = {
            f"{CONFIG}.Strategy": "Hyperband",
            f"{CONFIG}.StrategyConfig": {"HyperbandStrategyConfig": {"MaxResource": 9}},
        }
        assert self.warnings(request_, hyperband) == [
            f"{CONFIG}.Strategy Hyperband has no effect, since {once}; Random does the same"
        ]

    def test_checkpoints_of_an_algorithm_that_saves_none(self) -> None:
        place = {f"{JOB}.CheckpointConfig": {"S3Uri": "s3://bucket/checkpoints"}}
        assert self.warnings(KNN, place) == [
            f"{JOB}.CheckpointConfig.S3Uri has no effect, since knn saves no checkpoints"
        ]
        assert self.warnings(KMEANS, place) == []

    def test_one_that_reports_every_round(self) -> None:
        assert self.warnings(single(), {f"{CONFIG}.TrainingJobEarlyStoppingType": "Auto"}) == []
