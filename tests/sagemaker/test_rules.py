"""Every rule has requests that break it and requests that just do not; without the rule the former would
pass.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from hpt.algorithms import ALGORITHMS, BuiltInAlgorithm, find_algorithm
from hpt.errors import Violation
from hpt.sagemaker.rules import RULES, check_rules
from tests.sagemaker.samples import (
    CONFIG,
    GONE,
    JOB,
    LIMITS,
    RANGES,
    channel,
    edit,
    facts,
    grid,
    multi,
    single,
)

CONTINUOUS = f"{RANGES}.ContinuousParameterRanges"
INTEGER = f"{RANGES}.IntegerParameterRanges"
CATEGORICAL = f"{RANGES}.CategoricalParameterRanges"
HYPERBAND = f"{CONFIG}.StrategyConfig.HyperbandStrategyConfig"
SPECIFICATION = f"{JOB}.AlgorithmSpecification"
SPOT = f"{JOB}.EnableManagedSpotTraining"
TIMES = f"{JOB}.StoppingCondition"
SECOND = "TrainingJobDefinitions[1]"
PROGRAM = {f"{SPECIFICATION}.TrainingImage": "train.py"}
AUC = {"Name": "validation:auc", "Regex": "auc=(.*)"}
OWN = {**PROGRAM, f"{SPECIFICATION}.MetricDefinitions": [AUC]}
HYPER = {f"{CONFIG}.Strategy": "Hyperband"}
ONLY_METRICS = ", ".join(metric.name for metric in ALGORITHMS[0].metric_definitions)


def many(count: int, prefix: str = "p") -> list[dict[str, str]]:
    return [{"Name": f"{prefix}{i}", "MinValue": "0", "MaxValue": "1"} for i in range(count)]


def without_checkpoints(image: str) -> BuiltInAlgorithm | None:
    found = find_algorithm(image)
    return found and replace(found, checkpoint_support=False)


@dataclass(frozen=True)
class Case:
    """A change to a right request; broken: path and message of the rule it breaks, None if it breaks none."""

    rule: str
    changes: dict[str, Any]
    path: str = ""
    message: str = ""
    base: Any = single
    strict: bool = False
    find: Any = field(default=find_algorithm)


BROKEN = [
    Case(
        "V02",
        {JOB: GONE},
        JOB,
        "exactly one of TrainingJobDefinition and TrainingJobDefinitions is needed, and neither is given; "
        "add TrainingJobDefinition",
    ),
    Case(
        "V02",
        {"TrainingJobDefinitions": multi()["TrainingJobDefinitions"], "Autotune": {"Mode": "Enabled"}},
        JOB,
        "exactly one of TrainingJobDefinition and TrainingJobDefinitions is needed, and both are given; "
        "drop one",
        base=lambda: edit(
            single(),
            {RANGES: GONE, f"{CONFIG}.HyperParameterTuningJobObjective": GONE},
        ),
    ),
    Case(
        "V03",
        {f"{CONFIG}.HyperParameterTuningJobObjective": GONE},
        f"{CONFIG}.HyperParameterTuningJobObjective",
        "is missing, and a search needs an objective; add its Type and MetricName",
    ),
    Case(
        "V03",
        {RANGES: GONE},
        RANGES,
        "holds no range, and a search needs one; add a continuous, integer or categorical range",
    ),
    Case(
        "V03",
        {CONTINUOUS: [], INTEGER: []},
        RANGES,
        "holds no range, and a search needs one; add a continuous, integer or categorical range",
    ),
    Case(
        "V04",
        {RANGES: {}},
        RANGES,
        "belongs in each definition when TrainingJobDefinitions are given; move it there",
        base=multi,
    ),
    Case(
        "V04",
        {f"{SECOND}.TuningObjective": GONE},
        f"{SECOND}.TuningObjective",
        "is missing, and each definition needs its own; add it",
        base=multi,
    ),
    Case(
        "V05",
        PROGRAM,
        f"{CONFIG}.HyperParameterTuningJobObjective.MetricName",
        "a metric is needed for the objective 'validation:auc', and no metric is defined; add its Name and "
        f"Regex to {SPECIFICATION}.MetricDefinitions",
    ),
    Case(
        "V05",
        {**PROGRAM, f"{SPECIFICATION}.MetricDefinitions": [{"Name": "loss", "Regex": "(.*)"}]},
        f"{CONFIG}.HyperParameterTuningJobObjective.MetricName",
        "a metric is needed for the objective 'validation:auc', and only 'loss' are defined; add its Name "
        f"and Regex to {SPECIFICATION}.MetricDefinitions",
    ),
    Case(
        "V05",
        {f"{CONFIG}.HyperParameterTuningJobObjective.MetricName": "auc"},
        f"{CONFIG}.HyperParameterTuningJobObjective.MetricName",
        f"'auc' is no metric of xgboost; use one of {ONLY_METRICS}",
    ),
    Case(
        "V06",
        {CONTINUOUS: many(30)},
        RANGES,
        "31 tunable hyperparameters are more than the 30 allowed; make some static",
        strict=True,
    ),
    Case(
        "V06",
        {CONTINUOUS: many(100)},
        RANGES,
        "101 tunable hyperparameters are more than the 100 allowed; make some static",
    ),
    Case(
        "V07",
        {
            CONTINUOUS: many(29),
            f"{JOB}.StaticHyperParameters": {"num_round": "1", **{f"s{i}": "" for i in range(69)}},
        },
        f"{JOB}.StaticHyperParameters",
        "70 static and 30 tuned hyperparameters, with _tuning_objective_metric that is added, make 101, "
        "more than the 100 allowed; take some out",
        strict=True,
    ),
    Case(
        "V08",
        {f"{INTEGER}[0].Name": "eta"},
        f"{INTEGER}[0].Name",
        "'eta' has two ranges; keep one",
    ),
    Case(
        "V08",
        {f"{JOB}.StaticHyperParameters.eta": "0.2"},
        f"{CONTINUOUS}[0].Name",
        "'eta' has a range and is in StaticHyperParameters as well; keep one of them",
    ),
    Case(
        "V09",
        {f"{CONTINUOUS}[0].MinValue": "0,1"},
        f"{CONTINUOUS}[0].MinValue",
        "range 'eta': MinValue '0,1' is not a number; write it with digits, such as 10, 0.5 or 1e-5",
    ),
    Case(
        "V09",
        {f"{CONTINUOUS}[0].MaxValue": "inf"},
        f"{CONTINUOUS}[0].MaxValue",
        "range 'eta': MaxValue 'inf' is not a number; write it with digits, such as 10, 0.5 or 1e-5",
    ),
    Case(
        "V09",
        {f"{CONTINUOUS}[0].MaxValue": "1e400"},
        f"{CONTINUOUS}[0].MaxValue",
        "range 'eta': MaxValue '1e400' is not a finite 64-bit float; give one within 1.7e308 of zero",
    ),
    Case(
        "V09",
        {f"{CONTINUOUS}[0].MaxValue": ""},
        f"{CONTINUOUS}[0].MaxValue",
        "range 'eta': MaxValue '' is not a number; write it with digits, such as 10, 0.5 or 1e-5",
    ),
    Case(
        "V09",
        {f"{INTEGER}[0].MaxValue": "9.5"},
        f"{INTEGER}[0].MaxValue",
        "range 'max_depth': MaxValue '9.5' is not a whole number; round it or use a ContinuousParameter",
    ),
    Case(
        "V09",
        {f"{INTEGER}[0].MaxValue": "9223372036854775808"},
        f"{INTEGER}[0].MaxValue",
        "range 'max_depth': MaxValue '9223372036854775808' does not fit 64 signed bits; use a smaller one",
    ),
    Case(
        "V09",
        {f"{CONTINUOUS}[0].MinValue": "0.6"},
        f"{CONTINUOUS}[0].MinValue",
        "range 'eta': MinValue 0.6 is above MaxValue 0.5; swap them",
    ),
    Case(
        "V10",
        {f"{CONTINUOUS}[0].MinValue": "5e-1"},
        f"{CONTINUOUS}[0].MinValue",
        "range 'eta': MinValue and MaxValue are both 5e-1; widen the range, or put the constant among "
        "StaticHyperParameters",
    ),
    Case(
        "V11",
        {f"{CATEGORICAL}[0].Values": ["gbtree", "dart", "gbtree"], f"{LIMITS}.MaxNumberOfTrainingJobs": GONE},
        f"{CATEGORICAL}[0].Values",
        "range 'booster': the value 'gbtree' stands 2 times; keep one",
        base=grid,
    ),
    Case(
        "V12",
        {f"{CONTINUOUS}[0].MinValue": "0", f"{CONTINUOUS}[0].ScalingType": "Logarithmic"},
        f"{CONTINUOUS}[0].ScalingType",
        "range 'eta': Logarithmic needs MinValue above 0, and it is 0; raise it or use Linear",
    ),
    Case(
        "V12",
        {f"{INTEGER}[0].MinValue": "-1", f"{INTEGER}[0].ScalingType": "Logarithmic"},
        f"{INTEGER}[0].ScalingType",
        "range 'max_depth': Logarithmic needs MinValue above 0, and it is -1; raise it or use Linear",
    ),
    Case(
        "V13",
        {f"{INTEGER}[0].ScalingType": "ReverseLogarithmic"},
        f"{INTEGER}[0].ScalingType",
        "range 'max_depth': ReverseLogarithmic is for continuous ranges only; use Linear",
    ),
    Case(
        "V13",
        {f"{CONTINUOUS}[0].MaxValue": "1", f"{CONTINUOUS}[0].ScalingType": "ReverseLogarithmic"},
        f"{CONTINUOUS}[0].ScalingType",
        "range 'eta': ReverseLogarithmic needs 0 <= MinValue and MaxValue < 1, and they are 0.1 and 1; "
        "narrow the range or use Linear",
    ),
    Case(
        "V14",
        {
            INTEGER: [{"Name": "depth", "MinValue": "1", "MaxValue": "2"}],
            f"{LIMITS}.MaxNumberOfTrainingJobs": GONE,
        },
        f"{INTEGER}[0]",
        "range 'depth' is integer, and Grid takes categorical ranges only; list its values as a "
        "categorical range or use another strategy",
        base=grid,
    ),
    Case(
        "V15",
        {f"{LIMITS}.MaxNumberOfTrainingJobs": 5},
        f"{LIMITS}.MaxNumberOfTrainingJobs",
        "5 differs from the 6 combinations of the grid; set it to 6 or leave it out",
        base=grid,
    ),
    Case(
        "V16",
        {
            CONTINUOUS: [],
            INTEGER: [
                {"Name": "a", "MinValue": "1", "MaxValue": "3"},
                {"Name": "b", "MinValue": "1", "MaxValue": "10"},
            ],
            CATEGORICAL: [{"Name": "c", "Values": list("wxyz")}],
            f"{LIMITS}.MaxNumberOfTrainingJobs": 121,
        },
        f"{LIMITS}.MaxNumberOfTrainingJobs",
        "the ranges allow 120.0 combinations, not enough for 121 training jobs; lower it to 120 or widen "
        "the ranges",
    ),
    Case(
        "end",
        {f"{LIMITS}.MaxNumberOfTrainingJobs": GONE},
        f"{LIMITS}.MaxNumberOfTrainingJobs",
        "is missing, and nothing else ends a Bayesian search; give it or MaxRuntimeInSeconds",
    ),
    Case(
        "V17",
        {**HYPER, f"{HYPERBAND}.MaxResource": 9, f"{CONFIG}.TrainingJobEarlyStoppingType": "Auto"},
        f"{CONFIG}.TrainingJobEarlyStoppingType",
        "'Auto' does not go with Hyperband, which stops training jobs itself; use Off",
    ),
    Case(
        "V18",
        HYPER,
        f"{HYPERBAND}.MaxResource",
        "is missing and cannot be inferred; give it, or one of epochs, numepochs, n-epochs, n_epochs, "
        f"num_epochs in {JOB}.StaticHyperParameters",
    ),
    Case(
        "V19",
        {**HYPER, f"{HYPERBAND}.MaxResource": 9, f"{HYPERBAND}.MinResource": 10},
        f"{HYPERBAND}.MinResource",
        "10 is above MaxResource 9; swap them",
    ),
    Case(
        "V19",
        {**HYPER, f"{HYPERBAND}.MaxResource": 20_001},
        f"{HYPERBAND}.MaxResource",
        "20001 is above the maximum 20000; lower it",
    ),
    Case(
        "V20",
        {f"{HYPERBAND}.MaxResource": 9},
        HYPERBAND,
        "does not fit strategy Bayesian; leave it out or use Hyperband",
    ),
    Case(
        "V21",
        {f"{TIMES}.MaxWaitTimeInSeconds": 3600},
        f"{TIMES}.MaxWaitTimeInSeconds",
        "3600 is only allowed when EnableManagedSpotTraining is true; leave it out",
    ),
    Case(
        "V22",
        {SPOT: True},
        f"{TIMES}.MaxWaitTimeInSeconds",
        "is missing, and EnableManagedSpotTraining needs it; give waiting and running time together",
    ),
    Case(
        "V23",
        {SPOT: True, f"{TIMES}.MaxWaitTimeInSeconds": 3599},
        f"{TIMES}.MaxWaitTimeInSeconds",
        "3599 is below MaxRuntimeInSeconds 3600, which it includes; raise it",
    ),
    Case(
        "V24",
        {SPOT: True, f"{TIMES}.MaxWaitTimeInSeconds": 3601},
        f"{TIMES}.MaxWaitTimeInSeconds",
        "3601 is above 3600, the maximum for xgboost, which saves no checkpoints; lower it",
        find=without_checkpoints,
    ),
    Case(
        "V25",
        {f"{JOB}.HyperParameterTuningResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1}},
        f"{JOB}.HyperParameterTuningResourceConfig",
        "is given beside ResourceConfig; keep one of the two",
    ),
    Case(
        "V25",
        {f"{JOB}.ResourceConfig": GONE},
        f"{JOB}.ResourceConfig",
        "is missing; give it or HyperParameterTuningResourceConfig",
        strict=True,
    ),
    Case(
        "V25",
        {
            f"{JOB}.ResourceConfig": GONE,
            f"{JOB}.HyperParameterTuningResourceConfig": {
                "InstanceCount": 1,
                "InstanceConfigs": [{"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}],
            },
        },
        f"{JOB}.HyperParameterTuningResourceConfig.InstanceConfigs",
        "is given beside InstanceCount; keep one or the other",
    ),
    Case(
        "V26",
        {
            "WarmStartConfig": {
                "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "a"}],
                "WarmStartType": "TransferLearning",
            }
        },
        "WarmStartConfig",
        "needs a single definition; give TrainingJobDefinition or leave it out",
        base=multi,
    ),
    Case(
        "V27",
        {f"{CONFIG}.TrainingJobEarlyStoppingType": "Auto"},
        f"{CONFIG}.TrainingJobEarlyStoppingType",
        "'Auto' is not available with TrainingJobDefinitions; use Off",
        base=multi,
    ),
    Case(
        "V28",
        {
            "WarmStartConfig": {
                "ParentHyperParameterTuningJobs": [
                    {"HyperParameterTuningJobName": "a"},
                    {"HyperParameterTuningJobName": "A"},
                ],
                "WarmStartType": "TransferLearning",
            }
        },
        "WarmStartConfig.ParentHyperParameterTuningJobs",
        "the parent 'a' stands 2 times; name it once",
    ),
    Case(
        "V28",
        {
            "WarmStartConfig": {
                "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "a"}],
                "WarmStartType": "TransferLearning",
            }
        },
        "WarmStartConfig",
        "does not go with strategy Grid; use Bayesian or Random",
        base=grid,
    ),
    Case(
        "V30",
        {
            "TrainingJobDefinitions[0].Environment": {f"A{i}": "" for i in range(25)},
            f"{SECOND}.Environment": {f"A{i}": "" for i in range(24)},
        },
        "TrainingJobDefinitions[0].Environment",
        "49 entries over all definitions are more than the 48 allowed; take some out",
        base=multi,
    ),
    Case(
        "V31",
        {f"{LIMITS}.MaxNumberOfTrainingJobs": 751},
        f"{LIMITS}.MaxNumberOfTrainingJobs",
        "the limit on training jobs of a Bayesian tuning job is 750, with present use of 0 and a requested "
        "increment of 751; ask for 750 or fewer",
        strict=True,
    ),
    Case(
        "V31",
        {f"{LIMITS}.MaxNumberOfTrainingJobs": 10_001, f"{CONFIG}.Strategy": "Random"},
        f"{LIMITS}.MaxNumberOfTrainingJobs",
        "the limit on training jobs of a Random tuning job is 10000, with present use of 0 and a requested "
        "increment of 10001; ask for 10000 or fewer",
        strict=True,
    ),
    Case(
        "V31",
        {f"{LIMITS}.MaxNumberOfTrainingJobs": 10_001},
        f"{LIMITS}.MaxNumberOfTrainingJobs",
        "the limit on training jobs of a Bayesian tuning job is 10000, with present use of 0 and a requested "
        "increment of 10001; ask for 10000 or fewer",
    ),
    Case(
        "V31",
        {
            f"{CATEGORICAL}[0].Values": [str(i) for i in range(30)],
            f"{CATEGORICAL}[1].Values": [str(i) for i in range(26)],
            f"{LIMITS}.MaxNumberOfTrainingJobs": GONE,
        },
        f"{LIMITS}.MaxNumberOfTrainingJobs",
        "the limit on training jobs of a Grid tuning job is 750, with present use of 0 and a requested "
        "increment of 780; ask for 750 or fewer",
        base=grid,
        strict=True,
    ),
    Case(
        "V31",
        {f"{LIMITS}.MaxParallelTrainingJobs": 101},
        f"{LIMITS}.MaxParallelTrainingJobs",
        "the limit on training jobs at once is 100, with present use of 0 and a requested increment of "
        "101; ask for 100 or fewer",
        strict=True,
    ),
    Case(
        "V31",
        {f"{LIMITS}.MaxParallelTrainingJobs": 1001},
        f"{LIMITS}.MaxParallelTrainingJobs",
        "the limit on training jobs at once is 1000, with present use of 0 and a requested increment of "
        "1001; ask for 1000 or fewer",
    ),
    Case(
        "V33",
        {f"{JOB}.InputDataConfig[1].CompressionType": "Gzip"},
        f"{JOB}.InputDataConfig[1].CompressionType",
        "'Gzip' is for Pipe mode only; use None, and let the program read gzip files as they are",
    ),
    Case(
        "V34",
        {f"{SECOND}.TuningObjective.Type": "Minimize"},
        f"{SECOND}.TuningObjective.Type",
        "'Minimize' differs from 'Maximize' of the first definition, and objectives of both could not be "
        "ranked together; use one",
        base=multi,
    ),
    Case(
        "image",
        {f"{SPECIFICATION}.TrainingImage": GONE, f"{SPECIFICATION}.MetricDefinitions": [AUC]},
        f"{SPECIFICATION}.TrainingImage",
        "is missing; give the path of a program or a built-in algorithm: xgboost",
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
        "'registry.example.com/team/trainer:1' is no image that runs here; give the path of a program or a "
        "built-in algorithm: xgboost",
    ),
    Case(
        "image",
        {**OWN, f"{SPECIFICATION}.TrainingImage": "https://example.com/train.py2"},
        f"{SPECIFICATION}.TrainingImage",
        "'https://example.com/train.py2' is no image that runs here; give the path of a program or a "
        "built-in algorithm: xgboost",
    ),
    Case(
        "image",
        OWN,
        f"{SPECIFICATION}.TrainingImage",
        "'train.py' is no image that runs here; give a built-in algorithm: xgboost",
        strict=True,
    ),
    Case(
        "image",
        {f"{SPECIFICATION}.TrainingImage": "xgboost", f"{SPECIFICATION}.MetricDefinitions": [AUC]},
        f"{SPECIFICATION}.TrainingImage",
        "'xgboost' is no image that runs here; give a built-in algorithm: xgboost",
        strict=True,
    ),
    Case(
        "metrics",
        {**PROGRAM, f"{SPECIFICATION}.MetricDefinitions": [AUC, AUC]},
        f"{SPECIFICATION}.MetricDefinitions[1].Name",
        "'validation:auc' names two metrics; rename one",
    ),
    Case(
        "metrics",
        {**OWN, f"{SPECIFICATION}.MetricDefinitions[0].Regex": "auc=([0-9"},
        f"{SPECIFICATION}.MetricDefinitions[0].Regex",
        "'auc=([0-9' is not a regular expression (unterminated character set at position 5); mend it",
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
        "'loss' differs from the objective metric 'validation:auc', and is added by itself; leave it out",
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
        "'-1' is not a number of seconds of 0 or more; give one, or leave it out",
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
        "the key 'team' stands 2 times; keep one",
    ),
]

KEPT = [
    Case("V02", {}),
    Case("V02", {}, base=multi),
    Case("V03", {RANGES: GONE, "Autotune": {"Mode": "Enabled"}}),
    Case("V04", {"TrainingJobDefinitions[0].DefinitionName": "other"}, base=multi),
    Case("V05", OWN),
    Case("V06", {CONTINUOUS: many(29)}, strict=True),
    Case("V06", {CONTINUOUS: many(99)}),
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
    Case("V17", {**HYPER, f"{HYPERBAND}.MaxResource": 9, f"{CONFIG}.TrainingJobEarlyStoppingType": "Off"}),
    Case("V18", {**HYPER, f"{JOB}.StaticHyperParameters.n-epochs": "10"}),
    Case("V19", {**HYPER, f"{HYPERBAND}.MaxResource": 20_000, f"{HYPERBAND}.MinResource": 20_000}),
    Case("V23", {SPOT: True, f"{TIMES}.MaxWaitTimeInSeconds": 3600}),
    Case("V24", {SPOT: True, f"{TIMES}.MaxWaitTimeInSeconds": 3600}, find=without_checkpoints),
    Case("V24", {SPOT: True, f"{TIMES}.MaxWaitTimeInSeconds": 7200}),
    Case("V25", {f"{JOB}.ResourceConfig": GONE}),
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
    Case("image", {**OWN, f"{SPECIFICATION}.TrainingImage": "bin/train"}),
    Case("metrics", {**OWN, f"{SPECIFICATION}.MetricDefinitions[0].Regex": "(a)(u)c"}),
    Case("added", {f"{JOB}.StaticHyperParameters._tuning_objective_metric": "validation:auc"}),
    Case("channels", {f"{JOB}.InputDataConfig[1]": channel("Train")}),
    Case("uri", {f"{JOB}.OutputDataConfig.S3OutputPath": "file:///srv/models"}),
    Case("required", {f"{JOB}.StaticHyperParameters.num_round": GONE, f"{INTEGER}[0].Name": "num_round"}),
    Case("grace", {f"{JOB}.Environment": {"HPT_GRACE_SECONDS": "0"}}),
    Case("time", {f"{TIMES}.MaxRuntimeInSeconds": 28 * 86_400}, strict=True),
    Case("tags", {"Tags": [{"Key": "team", "Value": "a"}, {"Key": "Team", "Value": "a"}]}),
]
"""Also the other side of each rule; rules without an entry (V20 to V22, V26, V27, V34) have it in the base.
"""

CODES = {"V31": "ResourceLimitExceeded"}


def check(case: Case, without: str = "") -> Violation | None:
    rules = [rule for rule in RULES if rule.id != without]
    return check_rules(facts(edit(case.base(), case.changes), strict=case.strict, find=case.find), rules)


def name(case: Case) -> str:
    return case.rule


@pytest.mark.parametrize("case", BROKEN, ids=name)
def test_a_broken_rule_gives_code_path_and_message(case: Case) -> None:
    found = check(case)
    assert found is not None
    assert (found.rule, found.code, found.path) == (
        case.rule,
        CODES.get(case.rule, "ValidationException"),
        case.path,
    )
    assert found.message == case.message


@pytest.mark.parametrize("case", BROKEN, ids=name)
def test_without_the_rule_the_request_would_pass(case: Case) -> None:
    assert check(case, without=case.rule) is None


@pytest.mark.parametrize("case", KEPT, ids=name)
def test_requests_that_keep_the_rule(case: Case) -> None:
    assert check(case) is None


def test_every_rule_has_a_case() -> None:
    assert {rule.id for rule in RULES} == {case.rule for case in BROKEN}
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_every_number_of_the_service_is_in_the_table_or_is_the_storage_s() -> None:
    numbers = {f"V{number:02}" for number in range(1, 35)}
    assert numbers - {rule.id for rule in RULES} == {"V01", "V29", "V32"}


def test_the_first_broken_rule_wins() -> None:
    request = edit(single(), {f"{CONTINUOUS}[0].MinValue": "x", f"{INTEGER}[0].Name": "eta"})
    found = check_rules(facts(request))
    assert found is not None
    assert found.rule == "V08"


@pytest.mark.parametrize("base", [single, grid, multi])
@pytest.mark.parametrize("strict", [True, False])
def test_the_bases_break_nothing(base: Any, strict: bool) -> None:
    assert check_rules(facts(base(), strict=strict)) is None
