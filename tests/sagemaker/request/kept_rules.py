"""Requests that just keep a cross-field rule: the other side of `broken_rules`."""

from __future__ import annotations

from tests.sagemaker.request.broken_own_rules import SCRIPT, STATIC
from tests.sagemaker.request.broken_rules import (
    AUC,
    CATEGORICAL,
    CONTINUOUS,
    HYPER,
    HYPERBAND,
    INTEGER,
    OWN,
    SECOND,
    SPECIFICATION,
    SPOT,
    TIMES,
    Case,
    many,
    without_checkpoints,
)
from tests.sagemaker.request.samples import CONFIG, GONE, JOB, LIMITS, RANGES, channel, grid, group, multi

HINT = {"Name": "lambda", "ValueHint": "1"}

KEPT = [
    Case("V02", {}),
    Case("V02", {}, base=multi),
    Case("hints", {f"{RANGES}.AutoParameters": [HINT], "Autotune": {"Mode": "Enabled"}}),
    Case("V03", {"Autotune": {"Mode": "Enabled"}}),
    Case("V04", {"TrainingJobDefinitions[0].DefinitionName": "other"}, base=multi),
    Case("definitions", {"TrainingJobDefinitions[1].DefinitionName": "First"}, base=multi),
    Case("V05", OWN),
    Case("V06", {CONTINUOUS: many(29)}, strict=True),
    Case("V06", {CONTINUOUS: many(999)}),
    Case(
        "V07",
        {
            CONTINUOUS: many(29),
            f"{JOB}.StaticHyperParameters": {"num_round": "1", **{f"s{i}": "" for i in range(68)}},
        },
        strict=True,
    ),
    Case("V08", {f"{INTEGER}[0].Name": "Eta"}),
    Case("V09", {f"{CONTINUOUS}[0].MinValue": " -1e-3 ", f"{INTEGER}[0].MaxValue": "1e3"}),
    Case("V10", {f"{CONTINUOUS}[0].MinValue": "0.4999999999999999"}),
    Case(
        "V11",
        {f"{CATEGORICAL}[0].Values": ["1", "1.0"], f"{LIMITS}.MaxNumberOfTrainingJobs": GONE},
        base=grid,
    ),
    Case("V12", {f"{CONTINUOUS}[0].MinValue": "1e-300", f"{CONTINUOUS}[0].ScalingType": "Logarithmic"}),
    Case("V13", {f"{CONTINUOUS}[0].MinValue": "0", f"{CONTINUOUS}[0].ScalingType": "ReverseLogarithmic"}),
    Case("V14", {}, base=grid),
    Case("V15", {f"{LIMITS}.MaxNumberOfTrainingJobs": GONE}, base=grid),
    Case("V16", {CONTINUOUS: [], f"{LIMITS}.MaxNumberOfTrainingJobs": 10}),
    Case("V16", {CONTINUOUS: [], f"{CATEGORICAL}": [{"Name": "x", "Values": ["a", "b"]}]}),
    Case("end", {f"{LIMITS}.MaxNumberOfTrainingJobs": GONE, f"{LIMITS}.MaxRuntimeInSeconds": 600}),
    Case(
        "V16",
        {CONTINUOUS: [], f"{LIMITS}.MaxNumberOfTrainingJobs": 1000, f"{CONFIG}.RepeatConfigurations": True},
    ),
    Case("repeats", {f"{CONFIG}.RepeatConfigurations": True}),
    Case("V17", {**HYPER, f"{HYPERBAND}.MaxResource": 9, f"{CONFIG}.TrainingJobEarlyStoppingType": "Off"}),
    Case("V18", {**HYPER, f"{JOB}.StaticHyperParameters.n-epochs": "10"}),
    Case("V19", {**HYPER, f"{HYPERBAND}.MaxResource": 20_000, f"{HYPERBAND}.MinResource": 20_000}),
    Case("V20", {**HYPER, f"{HYPERBAND}.MaxResource": 9}),
    Case("V20", {f"{CONFIG}.StrategyConfig": {}}),
    Case("V21", {SPOT: False}),
    Case("V22", {SPOT: True, f"{TIMES}.MaxWaitTimeInSeconds": 3601}),
    Case("V23", {SPOT: True, f"{TIMES}.MaxWaitTimeInSeconds": 3600}),
    Case("V24", {SPOT: True, f"{TIMES}.MaxWaitTimeInSeconds": 3600}, find=without_checkpoints),
    Case("V24", {SPOT: True, f"{TIMES}.MaxWaitTimeInSeconds": 7200}),
    Case("V25", {f"{JOB}.ResourceConfig": GONE}),
    Case("V26", {"Tags": []}, base=multi),
    Case("V27", {f"{CONFIG}.TrainingJobEarlyStoppingType": "Off"}, base=multi),
    Case(
        "V28",
        {
            "WarmStartConfig": {
                "ParentHyperParameterTuningJobs": [
                    {"HyperParameterTuningJobName": "a"},
                    {"HyperParameterTuningJobName": "b"},
                ],
                "WarmStartType": "TransferLearning",
            }
        },
    ),
    Case("V30", {f"{SECOND}.Environment": {f"A{i}": "" for i in range(48)}}, base=multi),
    Case(
        "V31",
        {f"{LIMITS}.MaxNumberOfTrainingJobs": 750, f"{LIMITS}.MaxParallelTrainingJobs": 100},
        strict=True,
    ),
    Case("V31", {f"{LIMITS}.MaxNumberOfTrainingJobs": 10_000, f"{LIMITS}.MaxParallelTrainingJobs": 1000}),
    Case(
        "V33",
        {f"{JOB}.InputDataConfig[1].CompressionType": "Gzip", f"{JOB}.InputDataConfig[1].InputMode": "Pipe"},
    ),
    Case(
        "V34",
        {f"{SECOND}.TuningObjective.MetricName": "validation:aucpr"},
        base=multi,
    ),
    Case(
        "counts",
        {**OWN, f"{SPECIFICATION}.MetricDefinitions": [AUC, *({**AUC, "Name": f"m{i}"} for i in range(199))]},
    ),
    Case("parallel", {f"{LIMITS}.MaxNumberOfTrainingJobs": 2, f"{LIMITS}.MaxParallelTrainingJobs": 3}),
    Case(
        "parallel",
        {f"{LIMITS}.MaxNumberOfTrainingJobs": 3, f"{LIMITS}.MaxParallelTrainingJobs": 3},
        strict=True,
    ),
    Case("image", {**OWN, f"{SPECIFICATION}.TrainingImage": "bin/train"}),
    Case("image", {**OWN, **SCRIPT}, strict=True),
    Case("image", {**OWN, f"{SPECIFICATION}.TrainingImage": "registry.example.com/team/trainer:1"}),
    Case("image", {**OWN, f"{SPECIFICATION}.TrainingImage": "registry.example.com/trainer:1"}, strict=True),
    Case("script", {**OWN, **SCRIPT}),
    Case("script", {**OWN, f"{STATIC}.sagemaker_program": "train.py"}),  # of another image, once
    Case("metrics", {**OWN, f"{SPECIFICATION}.MetricDefinitions[0].Regex": "(a)(u)c"}),
    Case("metrics", {f"{SPECIFICATION}.MetricDefinitions": [AUC]}),  # with a note
    Case("metrics", {f"{SPECIFICATION}.MetricDefinitions": []}, strict=True),
    Case("metrics", {**OWN, f"{SPECIFICATION}.MetricDefinitions[0].Regex": GONE}),  # reported, not printed
    Case("added", {f"{JOB}.StaticHyperParameters._tuning_objective_metric": "validation:auc"}),
    Case("channels", {f"{JOB}.InputDataConfig[1]": channel("Train")}),
    Case(
        "channels",
        {
            f"{JOB}.InputDataConfig[1].DataSource": {
                "FileSystemDataSource": {
                    "FileSystemId": "fs-12345678",
                    "FileSystemAccessMode": "rw",
                    "FileSystemType": "FSxLustre",
                    "DirectoryPath": "/data",
                }
            }
        },
    ),
    Case(
        "inputs",
        {
            f"{JOB}.InputDataConfig[0].DataSource.S3DataSource.S3DataType": "AugmentedManifestFile",
            f"{JOB}.InputDataConfig[0].DataSource.S3DataSource.AttributeNames": ["image-ref", "label"],
            f"{JOB}.InputDataConfig[0].DataSource.S3DataSource.S3DataDistributionType": "ShardedByS3Key",
            f"{JOB}.InputDataConfig[0].InputMode": "Pipe",
            f"{JOB}.InputDataConfig[0].RecordWrapperType": "RecordIO",
            f"{JOB}.InputDataConfig[0].ShuffleConfig": {"Seed": 7},
            f"{JOB}.InputDataConfig[1].InputMode": "FastFile",
        },
    ),
    Case("inputs", {f"{SPECIFICATION}.TrainingInputMode": "Pipe"}, strict=True),
    Case("inputs", {f"{JOB}.InputDataConfig[1].DataSource.S3DataSource.S3DataType": "ManifestFile"}),
    Case("inputs", {f"{JOB}.InputDataConfig[1].ChannelName": "train_0"}),
    Case("directories", {f"{JOB}.InputDataConfig[1].ChannelName": "..."}),
    Case("names", {f"{JOB}.StaticHyperParameters": {"num_round": "5", "-a b": "x=y"}}),
    Case("passing", {f"{JOB}.StaticHyperParameters.sizes": "[" * 100 + "]" * 100}),
    Case("uri", {f"{JOB}.OutputDataConfig.S3OutputPath": "file:///srv/models"}),
    Case("required", {f"{JOB}.StaticHyperParameters.num_round": GONE, f"{INTEGER}[0].Name": "num_round"}),
    Case("grace", {f"{JOB}.Environment": {"HPT_GRACE_SECONDS": "0"}}),
    Case("resources", {f"{JOB}.Environment": {"HPT_MEMORY_PER_JOB": "4G"}}),
    Case("instances", {f"{JOB}.ResourceConfig.InstanceCount": 100}),
    Case(
        "groups",
        {f"{JOB}.ResourceConfig": {"InstanceGroups": [group("a"), group("b", 2)], "VolumeSizeInGB": 1}},
    ),
    Case(
        "group-channels",
        {
            f"{JOB}.ResourceConfig": {"InstanceGroups": [group("a"), group("b", 2)], "VolumeSizeInGB": 1},
            f"{JOB}.InputDataConfig[1].DataSource.S3DataSource.InstanceGroupNames": ["b"],
        },
    ),
    Case("containers", {f"{JOB}.Environment": {"HPT_CONTAINERS": "Always"}}),
    Case("checkpoints", {f"{JOB}.CheckpointConfig": {"S3Uri": "s3://bucket/c", "LocalPath": "/ckpt/"}}),
    Case("checkpoints", {f"{JOB}.CheckpointConfig": {"S3Uri": "s3://bucket/c", "LocalPath": "/opt/ml/a"}}),
    Case("time", {f"{TIMES}.MaxRuntimeInSeconds": 28 * 86_400}, strict=True),
    Case("tags", {"Tags": [{"Key": "team", "Value": "a"}, {"Key": "Team", "Value": "a"}]}),
]
