"""Requests that break one rule each of those that bear no number of the service."""

from __future__ import annotations

from tests.sagemaker.request.broken_rules import (
    AUC,
    CONTINUOUS,
    INTEGER,
    NAMES,
    OWN,
    SPECIFICATION,
    TIMES,
    Case,
)
from tests.sagemaker.request.samples import GONE, JOB, LIMITS, RANGES, multi

STATIC = f"{JOB}.StaticHyperParameters"
SCRIPT = {
    f"{SPECIFICATION}.TrainingImage": "registry.example.com/pytorch-training:2.3",
    f"{STATIC}.sagemaker_program": '"train.py"',
    f"{STATIC}.sagemaker_submit_directory": '"s3://bucket/sourcedir.tar.gz"',
}
"""Script mode in a framework's image."""

BROKEN_OTHERS = [
    Case(
        "hints",
        {f"{RANGES}.AutoParameters": [{"Name": "lambda", "ValueHint": "1"}]},
        f"{RANGES}.AutoParameters",
        "are hints for Autotune, which is not enabled; add Autotune with Mode Enabled, or give ranges",
    ),
    Case(
        "definitions",
        {"TrainingJobDefinitions[1].DefinitionName": "first"},
        "TrainingJobDefinitions[1].DefinitionName",
        "'first' names two definitions; rename one",
        base=multi,
    ),
    Case(
        "image",
        {f"{SPECIFICATION}.TrainingImage": GONE, f"{SPECIFICATION}.MetricDefinitions": [AUC]},
        f"{SPECIFICATION}.TrainingImage",
        f"is missing; give the path of a program or a built-in algorithm: {NAMES}",
    ),
    Case(
        "image",
        {f"{SPECIFICATION}.AlgorithmName": "mine"},
        f"{SPECIFICATION}.TrainingImage",
        "is given beside AlgorithmName; keep TrainingImage",
    ),
    Case(
        "image",
        {**OWN, f"{SPECIFICATION}.TrainingImage": "registry.example.com/team/trainer:1"},
        f"{SPECIFICATION}.TrainingImage",
        "'registry.example.com/team/trainer:1' is not an image that runs here; give the path of a program or "
        f"a built-in algorithm: {NAMES}",
    ),
    Case(
        "image",
        {**OWN, f"{SPECIFICATION}.TrainingImage": "https://example.com/train.py2"},
        f"{SPECIFICATION}.TrainingImage",
        "'https://example.com/train.py2' is not an image that runs here; give the path of a program or "
        f"a built-in algorithm: {NAMES}",
    ),
    Case(
        "image",
        OWN,
        f"{SPECIFICATION}.TrainingImage",
        f"'train.py' is not an image that runs here; give a built-in algorithm: {NAMES}",
        strict=True,
    ),
    Case(
        "script",
        {**OWN, **{name: value for name, value in SCRIPT.items() if not name.endswith("_directory")}},
        f"{STATIC}.sagemaker_submit_directory",
        "is missing, and sagemaker_program 'train.py' needs it; give the folder or .tar.gz that holds the "
        "script",
    ),
    Case(
        "script",
        {**OWN, **SCRIPT, f"{STATIC}.sagemaker_program": '""'},
        f"{STATIC}.sagemaker_program",
        "'' names no program; name the script within the source",
        strict=True,
    ),
    Case(
        "parallel",
        {f"{LIMITS}.MaxNumberOfTrainingJobs": 2, f"{LIMITS}.MaxParallelTrainingJobs": 3},
        f"{LIMITS}.MaxParallelTrainingJobs",
        "3 is above the 2 training jobs of all definitions together; lower it to 2",
        strict=True,
    ),
    Case(
        "counts",
        {**OWN, f"{SPECIFICATION}.MetricDefinitions": [{**AUC, "Name": f"m{i}"} for i in range(40)] + [AUC]},
        f"{SPECIFICATION}.MetricDefinitions",
        "41 metric definitions are more than the 40 allowed; take some out",
        limits="amt",
    ),
    Case(
        "metrics",
        {f"{SPECIFICATION}.MetricDefinitions": [AUC]},
        f"{SPECIFICATION}.MetricDefinitions",
        "You can't override the metric definitions for Amazon SageMaker algorithms. Please retry the request "
        "without specifying metric definitions.",
        strict=True,
    ),
    Case(
        "image",
        {f"{SPECIFICATION}.TrainingImage": "xgboost", f"{SPECIFICATION}.MetricDefinitions": [AUC]},
        f"{SPECIFICATION}.TrainingImage",
        f"'xgboost' is not an image that runs here; give a built-in algorithm: {NAMES}",
        strict=True,
    ),
    Case(
        "metrics",
        {**OWN, f"{SPECIFICATION}.MetricDefinitions[0].Regex": "auc=([0-9"},
        f"{SPECIFICATION}.MetricDefinitions[0].Regex",
        "'auc=([0-9' is not a regular expression (unterminated character set at position 5); fix it",
    ),
    Case(
        "metrics",
        {**OWN, f"{SPECIFICATION}.MetricDefinitions": [AUC, {"Name": "val loss"}]},
        f"{SPECIFICATION}.MetricDefinitions[1].Name",
        "metric name 'val loss' cannot be reported; use a name without blanks and equals signs, or add the "
        "Regex that reads it",
    ),
    Case(
        "metrics",
        {**OWN, f"{SPECIFICATION}.MetricDefinitions[0].Regex": "auc=.*"},
        f"{SPECIFICATION}.MetricDefinitions[0].Regex",
        "'auc=.*' has no group; put the part that is the number in parentheses",
    ),
    Case(
        "added",
        {f"{JOB}.StaticHyperParameters._tuning_objective_metric": "loss"},
        f"{JOB}.StaticHyperParameters._tuning_objective_metric",
        "'loss' differs from the objective metric 'validation:auc', which is added automatically; "
        "leave it out",
    ),
    Case(
        "added",
        {f"{INTEGER}[0].Name": "_tuning_objective_metric"},
        f"{INTEGER}[0].Name",
        "'_tuning_objective_metric' is reserved; rename the range",
    ),
    Case(
        "channels",
        {f"{JOB}.InputDataConfig[1].ChannelName": "train"},
        f"{JOB}.InputDataConfig[1].ChannelName",
        "'train' names two channels; rename one",
    ),
    Case(
        "channels",
        {f"{JOB}.InputDataConfig[1].DataSource": {}},
        f"{JOB}.InputDataConfig[1].DataSource",
        "exactly one data source is needed, and none is given; give S3DataSource",
    ),
    Case(
        "uri",
        {f"{JOB}.InputDataConfig[0].DataSource.S3DataSource.S3Uri": "gs://bucket/data"},
        f"{JOB}.InputDataConfig[0].DataSource.S3DataSource.S3Uri",
        "'gs://bucket/data' is not a place that can be read; use s3://bucket/prefix, file:// or a path",
    ),
    Case(
        "uri",
        {f"{JOB}.OutputDataConfig.S3OutputPath": "https://s3.amazonaws.com/bucket"},
        f"{JOB}.OutputDataConfig.S3OutputPath",
        "'https://s3.amazonaws.com/bucket' is not a place that can be read; use s3://bucket/prefix",
        strict=True,
    ),
    Case(
        "directories",
        {f"{JOB}.InputDataConfig[1].ChannelName": ".."},
        f"{JOB}.InputDataConfig[1].ChannelName",
        "'..' cannot name a directory of data; rename the channel",
    ),
    Case(
        "directories",
        {f"{JOB}.InputDataConfig[1].ChannelName": "."},
        f"{JOB}.InputDataConfig[1].ChannelName",
        "'.' cannot name a directory of data; rename the channel",
    ),
    Case(
        "names",
        {f"{JOB}.StaticHyperParameters": {"num_round": "5", "a=b": "1"}},
        f"{JOB}.StaticHyperParameters.a=b",
        "'a=b' cannot be passed to a program, since `=` ends the name of an argument and of a variable; "
        "rename it",
    ),
    Case(
        "names",
        {f"{CONTINUOUS}[0].Name": "a=b"},
        f"{CONTINUOUS}[0].Name",
        "'a=b' cannot be passed to a program, since `=` ends the name of an argument and of a variable; "
        "rename it",
    ),
    Case(
        "passing",
        {f"{JOB}.StaticHyperParameters.sizes": "[" * 101 + "]" * 101},
        f"{JOB}.StaticHyperParameters.sizes",
        "its value is nested 101 levels deep, more than the 100 that can be read; flatten it, or put it into "
        "a file",
    ),
    Case(
        "passing",
        {f"{JOB}.StaticHyperParameters": {"num_round": "5", **{f"p{i}": "x" * 2500 for i in range(40)}}},
        f"{JOB}.StaticHyperParameters",
        "they take 100366 bytes, more than the 100000 that can be passed to a program; put large values into "
        "a file",
    ),
    Case(
        "uri",
        {f"{JOB}.CheckpointConfig": {"S3Uri": "s3:///no-bucket"}},
        f"{JOB}.CheckpointConfig.S3Uri",
        "'s3:///no-bucket' is not a place that can be read; use s3://bucket/prefix, file:// or a path",
    ),
    Case(
        "required",
        {f"{JOB}.StaticHyperParameters.num_round": GONE},
        f"{JOB}.StaticHyperParameters.num_round",
        "is missing, and xgboost requires num_round; add it, or give it a range",
    ),
    Case(
        "grace",
        {f"{JOB}.Environment": {"HPT_GRACE_SECONDS": "-1"}},
        f"{JOB}.Environment.HPT_GRACE_SECONDS",
        "'-1' is not a number of seconds of at least 0; give one, or leave it out",
    ),
    Case(
        "time",
        {f"{TIMES}.MaxRuntimeInSeconds": 28 * 86_400 + 1},
        f"{TIMES}.MaxRuntimeInSeconds",
        "2419201 is above the maximum 2419200 (28 days); lower it",
        strict=True,
    ),
    Case(
        "tags",
        {"Tags": [{"Key": "team", "Value": "a"}, {"Key": "team", "Value": "b"}]},
        "Tags",
        "the key 'team' is given 2 times; keep one",
    ),
]
