"""Requests that break one numbered rule of the service each, and what cases are made of."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from hpt.job.catalog import ALGORITHMS, BuiltInAlgorithm, find_algorithm
from tests.sagemaker.request.samples import (
    CONFIG,
    GONE,
    JOB,
    LIMITS,
    RANGES,
    edit,
    grid,
    group,
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
NAMES = ", ".join(algorithm.name for algorithm in ALGORITHMS)
NAME_ALONE = "its Name alone (metrics={'validation:auc': None}) if the program calls hpt.report"
TOLD = f" (regex= in Python), or {NAME_ALONE}"
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
    limits: str | None = None
    find: Any = field(default=find_algorithm)


BROKEN_NUMBERS = [
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
        "V03",
        {RANGES: GONE, "Autotune": {"Mode": "Enabled"}},
        RANGES,
        "holds no range, and a search needs one; add a hint that is a number to its AutoParameters, or let "
        "autotune take the StaticHyperParameters for such hints",
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
        f"Regex to {SPECIFICATION}.MetricDefinitions{TOLD}",
    ),
    Case(
        "V05",
        {**PROGRAM, f"{SPECIFICATION}.MetricDefinitions": [{"Name": "loss", "Regex": "(.*)"}]},
        f"{CONFIG}.HyperParameterTuningJobObjective.MetricName",
        "a metric is needed for the objective 'validation:auc', and only 'loss' are defined; add its Name "
        f"and Regex to {SPECIFICATION}.MetricDefinitions{TOLD}",
    ),
    Case(
        "V05",
        {f"{CONFIG}.HyperParameterTuningJobObjective.MetricName": "auc"},
        f"{CONFIG}.HyperParameterTuningJobObjective.MetricName",
        f"'auc' is not a metric of xgboost; use one of {ONLY_METRICS}; train: in place of "
        "validation: is on the training data",
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
        {CONTINUOUS: many(1000)},
        RANGES,
        "1001 tunable hyperparameters are more than the 1000 allowed; make some static",
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
        "range 'max_depth': MaxValue '9.5' is not an integer; round it or use a ContinuousParameter",
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
        "range 'booster': the value 'gbtree' is given 2 times; keep one",
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
        "repeats",
        {f"{CONFIG}.Strategy": "Random", f"{CONFIG}.RepeatConfigurations": True},
        f"{CONFIG}.RepeatConfigurations",
        "Random repeats no configuration; leave it out, or use Bayesian",
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
        "V25",
        {
            f"{JOB}.ResourceConfig": GONE,
            f"{JOB}.HyperParameterTuningResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
                "AllocationStrategy": "Prioritized",
            },
        },
        f"{JOB}.HyperParameterTuningResourceConfig.AllocationStrategy",
        "chooses among InstanceConfigs, and none are given; add them",
    ),
    Case(
        "V25",
        {f"{JOB}.ResourceConfig.InstanceGroups": [group("a")]},
        f"{JOB}.ResourceConfig.InstanceGroups",
        "is given beside InstanceType and InstanceCount, and each group has its own; keep one or the other",
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
        "the parent 'a' is named 2 times; name it once",
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
        {f"{LIMITS}.MaxNumberOfTrainingJobs": 751, f"{CONFIG}.Strategy": "Random"},
        f"{LIMITS}.MaxNumberOfTrainingJobs",
        "the limit on training jobs of a Random tuning job is 750, with present use of 0 and a requested "
        "increment of 751; ask for 750 or fewer",
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
        {f"{LIMITS}.MaxParallelTrainingJobs": 101, f"{LIMITS}.MaxNumberOfTrainingJobs": 101},
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
]
