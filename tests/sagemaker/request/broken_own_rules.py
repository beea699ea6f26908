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
from tests.sagemaker.request.samples import GONE, JOB, LIMITS, RANGES, group, multi

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
        {
            **OWN,
            f"{SPECIFICATION}.TrainingImage": "registry.example.com/team/trainer:1",
            f"{JOB}.Environment": {"HPT_CONTAINERS": "never"},
        },
        f"{SPECIFICATION}.TrainingImage",
        "'registry.example.com/team/trainer:1' is an image, and containers are never; let images run in "
        f"containers (auto), or give the path of a program or a built-in algorithm: {NAMES}",
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
        "channels",
        {
            f"{JOB}.InputDataConfig[1].DataSource": {
                "FileSystemDataSource": {
                    "FileSystemId": "fs-12345678",
                    "FileSystemAccessMode": "ro",
                    "FileSystemType": "EFS",
                    "DirectoryPath": "/data",
                }
            },
            f"{JOB}.InputDataConfig[1].InputMode": "FastFile",
        },
        f"{JOB}.InputDataConfig[1].InputMode",
        "'FastFile' is not for a file system, whose files are there already; use File",
    ),
    Case(
        "inputs",
        {f"{JOB}.InputDataConfig[1].RecordWrapperType": "RecordIO"},
        f"{JOB}.InputDataConfig[1].RecordWrapperType",
        "'RecordIO' is for Pipe mode only; use None, or files that are in RecordIO form already",
    ),
    Case(
        "inputs",
        {
            f"{JOB}.InputDataConfig[1].DataSource.S3DataSource.S3DataType": "ManifestFile",
            f"{JOB}.InputDataConfig[1].InputMode": "FastFile",
        },
        f"{JOB}.InputDataConfig[1].DataSource.S3DataSource.S3DataType",
        "'ManifestFile' is not for FastFile mode; use S3Prefix, or another input mode",
    ),
    Case(
        "inputs",
        {
            f"{JOB}.InputDataConfig[1].DataSource.S3DataSource.S3DataType": "AugmentedManifestFile",
            f"{JOB}.InputDataConfig[1].DataSource.S3DataSource.AttributeNames": ["image-ref"],
        },
        f"{JOB}.InputDataConfig[1].DataSource.S3DataSource.S3DataType",
        "'AugmentedManifestFile' is for Pipe mode only; use input mode Pipe, or a ManifestFile",
    ),
    Case(
        "inputs",
        {
            f"{JOB}.InputDataConfig[1].DataSource.S3DataSource.S3DataType": "AugmentedManifestFile",
            f"{JOB}.InputDataConfig[1].InputMode": "Pipe",
        },
        f"{JOB}.InputDataConfig[1].DataSource.S3DataSource.AttributeNames",
        "[] is not 1 to 16 names of attributes, which AugmentedManifestFile needs; name what the program is "
        "to receive",
    ),
    Case(
        "inputs",
        {f"{JOB}.InputDataConfig[1].DataSource.S3DataSource.AttributeNames": ["a"]},
        f"{JOB}.InputDataConfig[1].DataSource.S3DataSource.AttributeNames",
        "['a'] is for AugmentedManifestFile only; leave it out",
    ),
    Case(
        "inputs",
        {
            f"{JOB}.InputDataConfig[0].InputMode": "Pipe",
            f"{JOB}.InputDataConfig[1].ChannelName": "train_0",
        },
        f"{JOB}.InputDataConfig[1].ChannelName",
        "'train_0' is also the name of a FIFO of channel 'train', which is in Pipe mode; rename one",
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
        "resources",
        {f"{JOB}.Environment": {"HPT_MEMORY_PER_JOB": "4Q"}},
        f"{JOB}.Environment.HPT_MEMORY_PER_JOB",
        "memory '4Q' is not a size; give a number above 0 with a unit K, M, G or T, such as 8G",
    ),
    Case(
        "containers",
        {f"{JOB}.Environment": {"HPT_CONTAINERS": "maybe"}},
        f"{JOB}.Environment.HPT_CONTAINERS",
        "'maybe' does not say which images run in containers; use one of auto, always, never",
    ),
    Case(
        "checkpoints",
        {f"{JOB}.CheckpointConfig": {"S3Uri": "s3://bucket/c", "LocalPath": "/opt/ml/x/../input/data"}},
        f"{JOB}.CheckpointConfig.LocalPath",
        "'/opt/ml/x/../input/data' is where the training job finds its input or program; use "
        "/opt/ml/checkpoints, or a folder of its own",
        strict=True,
    ),
    Case(
        "checkpoints",
        {f"{JOB}.CheckpointConfig": {"S3Uri": "s3://bucket/c", "LocalPath": "checkpoints"}},
        f"{JOB}.CheckpointConfig.LocalPath",
        "'checkpoints' is not an absolute path; give one, such as /opt/ml/checkpoints",
    ),
    Case(
        "checkpoints",
        {f"{JOB}.CheckpointConfig": {"S3Uri": "s3://bucket/c", "LocalPath": "//etc/"}},
        f"{JOB}.CheckpointConfig.LocalPath",
        "'//etc/' is a folder of the system, which checkpoints would hide; use /opt/ml/checkpoints, or a "
        "folder of its own",
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
    Case(
        "instances",
        {f"{JOB}.ResourceConfig.InstanceCount": 0},
        f"{JOB}.ResourceConfig.InstanceCount",
        "0 is no number of instances; give at least 1",
    ),
    Case(
        "instances",
        {f"{JOB}.ResourceConfig.InstanceCount": 1_000_000},
        f"{JOB}.ResourceConfig.InstanceCount",
        "1000000 is above 100: each is a process on this machine, and they share its cores; use fewer",
    ),
    Case(
        "instances",
        {
            f"{JOB}.ResourceConfig": GONE,
            f"{JOB}.HyperParameterTuningResourceConfig": {
                "InstanceConfigs": [
                    {"InstanceType": "ml.m5.large", "InstanceCount": count, "VolumeSizeInGB": 1}
                    for count in (101, 1)
                ],
            },
        },
        f"{JOB}.HyperParameterTuningResourceConfig.InstanceConfigs[0].InstanceCount",
        "101 is above 100: each is a process on this machine, and they share its cores; use fewer",
    ),
    Case(
        "instances",
        {f"{JOB}.ResourceConfig": {"InstanceGroups": [group("a", 60), group("b", 60)], "VolumeSizeInGB": 1}},
        f"{JOB}.ResourceConfig.InstanceGroups",
        "the 120 instances of all groups are above 100: each is a process on this machine, and they share "
        "its cores; use fewer",
    ),
    Case(
        "groups",
        {f"{JOB}.ResourceConfig": {"InstanceGroups": [group("a"), group("a")], "VolumeSizeInGB": 1}},
        f"{JOB}.ResourceConfig.InstanceGroups[1].InstanceGroupName",
        "'a' names two groups; rename one",
    ),
    Case(
        "groups",
        {f"{JOB}.ResourceConfig": {"InstanceGroups": [group("a"), group("b", 0)], "VolumeSizeInGB": 1}},
        f"{JOB}.ResourceConfig.InstanceGroups[1].InstanceCount",
        "0 is no number of instances; give at least 1, or leave the group out",
    ),
    Case(
        "group-channels",
        {
            f"{JOB}.ResourceConfig": {"InstanceGroups": [group("a"), group("b")], "VolumeSizeInGB": 1},
            f"{JOB}.InputDataConfig[1].DataSource.S3DataSource.InstanceGroupNames": ["b", "c"],
        },
        f"{JOB}.InputDataConfig[1].DataSource.S3DataSource.InstanceGroupNames",
        "'c' is no group of instances: the groups are 'a', 'b'; correct it, or leave it out",
    ),
    Case(
        "group-channels",
        {f"{JOB}.InputDataConfig[0].DataSource.S3DataSource.InstanceGroupNames": ["a"]},
        f"{JOB}.InputDataConfig[0].DataSource.S3DataSource.InstanceGroupNames",
        "'a' is no group of instances: the training job has no groups; correct it, or leave it out",
    ),
]
