"""Cross-field rules about the parts of a request that must, or must not, stand together (AMT 2.12)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain

from hpt.errors import InputError
from hpt.job.config import GRACE_VARIABLE, OBJECTIVE_METRIC_KEY, WARM_STRATEGIES, read_grace
from hpt.job.tagged_line import tagged_pattern
from hpt.sagemaker.request.facts import CONFIG, EPOCH_KEYS, KINDS, Definition, Facts
from hpt.sagemaker.request.range_rules import Broken
from hpt.sagemaker.request.relaxations import is_image, resolve_uri

HYPERBAND = f"{CONFIG}.StrategyConfig.HyperbandStrategyConfig"
MAX_RESOURCE = 20_000
MAX_ENVIRONMENT = 48
MAX_WAIT_WITHOUT_CHECKPOINTS = 3600


def one_form(facts: Facts) -> Iterator[Broken]:
    single, multi = "TrainingJobDefinition" in facts.request, facts.is_multi
    if single == multi:
        what = "both are given" if single else "neither is given"
        yield (
            "TrainingJobDefinition",
            f"exactly one of TrainingJobDefinition and TrainingJobDefinitions is needed, and {what}; "
            f"{'drop one' if single else 'add TrainingJobDefinition'}",
        )


def single_form_parts(facts: Facts) -> Iterator[Broken]:
    if facts.is_multi:
        return
    if "HyperParameterTuningJobObjective" not in facts.config:
        yield (
            f"{CONFIG}.HyperParameterTuningJobObjective",
            "is missing, and a search needs an objective; add its Type and MetricName",
        )
    ranges = facts.config.get("ParameterRanges", {})
    if not any(ranges.get(f"{kind}ParameterRanges") for kind in KINDS):
        wanted = (
            "a hint that is a number to its AutoParameters, or let autotune take the StaticHyperParameters "
            "for such hints"
            if facts.is_auto
            else "a continuous, integer or categorical range"
        )
        yield f"{CONFIG}.ParameterRanges", f"holds no range, and a search needs one; add {wanted}"


def hints_without_autotune(facts: Facts) -> Iterator[Broken]:
    for definition in () if facts.is_auto else facts.definitions:
        if definition.ranges_body.get("AutoParameters"):
            yield (
                f"{definition.ranges_path}.AutoParameters",
                "are hints for Autotune, which is not asked for; add Autotune with Mode Enabled, or give "
                "ranges",
            )


def multi_form_parts(facts: Facts) -> Iterator[Broken]:
    if not facts.is_multi:
        return
    for member in ("HyperParameterTuningJobObjective", "ParameterRanges"):
        if member in facts.config:
            yield (
                f"{CONFIG}.{member}",
                "belongs in each definition when TrainingJobDefinitions are given; move it there",
            )
    for definition in facts.definitions:
        for member in ("DefinitionName", "TuningObjective", "HyperParameterRanges"):
            if definition.path != "TrainingJobDefinition" and member not in definition.body:
                yield f"{definition.path}.{member}", "is missing, and each definition needs its own; add it"


def repeated_definitions(facts: Facts) -> Iterator[Broken]:
    seen: set[str] = set()
    for definition in facts.definitions:
        name = definition.body.get("DefinitionName")
        if name in seen:
            yield f"{definition.path}.DefinitionName", f"{name!r} names two definitions; rename one"
        if name is not None:
            seen.add(name)


def objective_metric(facts: Facts) -> Iterator[Broken]:
    for definition in facts.definitions:
        metric = definition.objective.get("MetricName")
        if metric is None:
            continue
        path = f"{definition.objective_path}.MetricName"
        algorithm = facts.algorithm(definition)
        if algorithm is None:
            known = [given["Name"] for given in definition.metrics]
            if metric not in known:
                has = f"only {', '.join(map(repr, known))} are" if known else "no metric is"
                told = (
                    f" (regex= in Python), or its Name alone (metrics={{{metric!r}: None}}) if the program "
                    "calls hpt.report"
                )
                yield (
                    path,
                    f"a metric is needed for the objective {metric!r}, and {has} defined; add its Name and "
                    f"Regex to {definition.path}.AlgorithmSpecification.MetricDefinitions"
                    f"{told if facts.paths else ''}",
                )
        elif metric not in (known := [given.name for given in algorithm.metric_definitions]):
            yield path, f"{metric!r} is no metric of {algorithm.name}; use one of {', '.join(known)}"


def early_stopping_of_hyperband(facts: Facts) -> Iterator[Broken]:
    if facts.strategy == "Hyperband" and facts.config.get("TrainingJobEarlyStoppingType") == "Auto":
        yield (
            f"{CONFIG}.TrainingJobEarlyStoppingType",
            "'Auto' does not go with Hyperband, which stops training jobs itself; use Off",
        )


def hyperband_resource(facts: Facts) -> Iterator[Broken]:
    if facts.strategy != "Hyperband" or "MaxResource" in facts.hyperband:
        return
    for definition in facts.definitions:
        if definition.epochs is None:
            yield (
                f"{HYPERBAND}.MaxResource",
                "is missing and cannot be inferred; give it, or one of "
                f"{', '.join(EPOCH_KEYS)} in {definition.path}.StaticHyperParameters",
            )
        elif facts.max_resource is None:
            key, text = definition.epochs
            yield (
                f"{HYPERBAND}.MaxResource",
                f"is missing and cannot be inferred: the static {key} is {text!r}, which is no whole number "
                "of 1 or more; give it",
            )


def hyperband_order(facts: Facts) -> Iterator[Broken]:
    if facts.strategy != "Hyperband":
        return
    low, high = facts.hyperband.get("MinResource"), facts.max_resource
    if high is not None and high > MAX_RESOURCE:
        path, inferred = f"{HYPERBAND}.MaxResource", ""
        if "MaxResource" not in facts.hyperband:
            inferred = ", read from the static hyperparameters,"
        yield path, f"{high}{inferred} is above the maximum {MAX_RESOURCE}; lower it"
    elif low is not None and high is not None and low > high:
        yield f"{HYPERBAND}.MinResource", f"{low} is above MaxResource {high}; swap them"


def hyperband_elsewhere(facts: Facts) -> Iterator[Broken]:
    if facts.strategy != "Hyperband" and "HyperbandStrategyConfig" in facts.config.get("StrategyConfig", {}):
        yield HYPERBAND, f"does not fit strategy {facts.strategy}; leave it out or use Hyperband"


def _spot(definition: Definition) -> bool:
    return bool(definition.body.get("EnableManagedSpotTraining", False))


def _times(definition: Definition) -> tuple[str, int | None, int | None]:
    """(path of the stopping condition, longest wait, longest run), in seconds."""
    condition = definition.body.get("StoppingCondition", {})
    path = f"{definition.path}.StoppingCondition"
    return path, condition.get("MaxWaitTimeInSeconds"), condition.get("MaxRuntimeInSeconds")


def wait_without_spot(facts: Facts) -> Iterator[Broken]:
    for definition in facts.definitions:
        path, wait, _ = _times(definition)
        if wait is not None and not _spot(definition):
            yield (
                f"{path}.MaxWaitTimeInSeconds",
                f"{wait} is only allowed when EnableManagedSpotTraining is true; leave it out",
            )


def spot_without_wait(facts: Facts) -> Iterator[Broken]:
    for definition in facts.definitions:
        path, wait, _ = _times(definition)
        if wait is None and _spot(definition):
            yield (
                f"{path}.MaxWaitTimeInSeconds",
                "is missing, and EnableManagedSpotTraining needs it; give waiting and running time together",
            )


def wait_below_run(facts: Facts) -> Iterator[Broken]:
    for definition in facts.definitions:
        path, wait, run = _times(definition)
        if wait is not None and run is not None and wait < run:
            yield (
                f"{path}.MaxWaitTimeInSeconds",
                f"{wait} is below MaxRuntimeInSeconds {run}, which it includes; raise it",
            )


def wait_without_checkpoints(facts: Facts) -> Iterator[Broken]:
    for definition in facts.definitions:
        path, wait, _ = _times(definition)
        algorithm = facts.algorithm(definition)
        if algorithm is None or algorithm.checkpoint_support or not _spot(definition):
            continue
        if wait is not None and wait > MAX_WAIT_WITHOUT_CHECKPOINTS:
            yield (
                f"{path}.MaxWaitTimeInSeconds",
                f"{wait} is above {MAX_WAIT_WITHOUT_CHECKPOINTS}, the maximum for {algorithm.name}, which "
                "saves no checkpoints; lower it",
            )


def one_resource_config(facts: Facts) -> Iterator[Broken]:
    for definition in facts.definitions:
        plain, tuning = (
            "ResourceConfig" in definition.body,
            "HyperParameterTuningResourceConfig" in definition.body,
        )
        path = f"{definition.path}.HyperParameterTuningResourceConfig"
        if plain and tuning:
            yield path, "is given beside ResourceConfig; keep one of the two"
        elif not plain and not tuning and not facts.paths:
            yield (
                f"{definition.path}.ResourceConfig",
                "is missing; give it or HyperParameterTuningResourceConfig",
            )
        config = definition.body.get("HyperParameterTuningResourceConfig", {})
        mixed = [name for name in ("InstanceType", "InstanceCount", "VolumeSizeInGB") if name in config]
        if "InstanceConfigs" in config and mixed:
            yield f"{path}.InstanceConfigs", f"is given beside {', '.join(mixed)}; keep one or the other"


def warm_start_of_several(facts: Facts) -> Iterator[Broken]:
    if facts.is_multi and "WarmStartConfig" in facts.request:
        yield "WarmStartConfig", "needs a single definition; give TrainingJobDefinition or leave it out"


def early_stopping_of_several(facts: Facts) -> Iterator[Broken]:
    if facts.is_multi and facts.config.get("TrainingJobEarlyStoppingType") == "Auto":
        yield (
            f"{CONFIG}.TrainingJobEarlyStoppingType",
            "'Auto' is not available with TrainingJobDefinitions; use Off",
        )


def warm_start(facts: Facts) -> Iterator[Broken]:
    warm = facts.request.get("WarmStartConfig")
    if warm is None:
        return
    parents = warm["ParentHyperParameterTuningJobs"]
    for i, parent in enumerate(parents):
        if "HyperParameterTuningJobName" not in parent:
            yield (
                f"WarmStartConfig.ParentHyperParameterTuningJobs[{i}].HyperParameterTuningJobName",
                "is missing; give the name of a tuning job",
            )
    names = [parent.get("HyperParameterTuningJobName", "").lower() for parent in parents]
    for name, times in Counter(names).items():
        if times > 1:
            yield (
                "WarmStartConfig.ParentHyperParameterTuningJobs",
                f"the parent {name!r} stands {times} times; name it once",
            )
    if facts.strategy not in WARM_STRATEGIES:
        known = " or ".join(WARM_STRATEGIES)
        yield "WarmStartConfig", f"does not go with strategy {facts.strategy}; use {known}"


def too_much_environment(facts: Facts) -> Iterator[Broken]:
    total = sum(len(definition.body.get("Environment", {})) for definition in facts.definitions)
    if total > MAX_ENVIRONMENT:
        yield (
            f"{facts.definitions[0].path}.Environment",
            f"{total} entries over all definitions are more than the {MAX_ENVIRONMENT} allowed; take some "
            "out",
        )


def gzip_channels(facts: Facts) -> Iterator[Broken]:
    for definition in facts.definitions:
        default = definition.body["AlgorithmSpecification"].get("TrainingInputMode", "File")
        for i, channel in enumerate(definition.body.get("InputDataConfig", ())):
            if channel.get("CompressionType") == "Gzip" and channel.get("InputMode", default) != "Pipe":
                yield (
                    f"{definition.path}.InputDataConfig[{i}].CompressionType",
                    "'Gzip' is for Pipe mode only; use None, and let the program read gzip files as they are",
                )


def mixed_directions(facts: Facts) -> Iterator[Broken]:
    first: str | None = None
    for definition in facts.definitions:
        direction = definition.objective.get("Type")
        if first is not None and direction is not None and direction != first:
            yield (
                f"{definition.objective_path}.Type",
                f"{direction!r} differs from {first!r} of the first definition, and objectives of both "
                "could not be ranked together; use one",
            )
        first = first or direction


def image(facts: Facts) -> Iterator[Broken]:
    for definition in facts.definitions:
        specification = definition.body["AlgorithmSpecification"]
        path = f"{definition.path}.AlgorithmSpecification.TrainingImage"
        has_image, has_name = "TrainingImage" in specification, "AlgorithmName" in specification
        if has_image and has_name:
            yield path, "is given beside AlgorithmName; keep TrainingImage"
        elif not has_image and not has_name:
            yield path, f"is missing; {_images(facts)}"
        elif (
            has_image
            and facts.algorithm(definition) is None
            and (is_image(definition.image) or not facts.paths)
        ):
            yield path, f"{definition.image!r} is no image that runs here; {_images(facts)}"


def _images(facts: Facts) -> str:
    own = "the path of a program or " if facts.paths else ""
    return f"give {own}a built-in algorithm: {', '.join(facts.algorithms)}"


def channels(facts: Facts) -> Iterator[Broken]:
    for definition in facts.definitions:
        seen: set[str] = set()
        for i, channel in enumerate(definition.body.get("InputDataConfig", ())):
            path = f"{definition.path}.InputDataConfig[{i}]"
            if channel["ChannelName"] in seen:
                yield f"{path}.ChannelName", f"{channel['ChannelName']!r} names two channels; rename one"
            seen.add(channel["ChannelName"])
            sources = list(channel["DataSource"])
            if len(sources) != 1:
                has = f"{' and '.join(sources)} are given" if sources else "none is given"
                yield f"{path}.DataSource", f"exactly one data source is needed, and {has}; give S3DataSource"


def uris(facts: Facts) -> Iterator[Broken]:
    for path, uri in chain.from_iterable(definition.uris() for definition in facts.definitions):
        resolved = resolve_uri(uri, "/", "/")
        if resolved is None or resolved.startswith("s3:///") or resolved == "s3://":
            local = ", file:// or a path" if facts.paths else ""
            yield path, f"{uri!r} is not a place that can be read; use s3://bucket/prefix{local}"


def metrics(facts: Facts) -> Iterator[Broken]:
    for definition in facts.definitions:
        seen: set[str] = set()
        for i, metric in enumerate(definition.metrics):
            path = f"{definition.path}.AlgorithmSpecification.MetricDefinitions[{i}]"
            name, pattern = metric["Name"], metric.get("Regex")
            if name in seen:
                yield f"{path}.Name", f"{name!r} names two metrics; rename one"
            seen.add(name)
            if pattern is None:  # reported, not printed
                try:
                    tagged_pattern(name)
                except InputError as error:
                    yield f"{path}.Name", f"{error}, or add the Regex that reads it"
                continue
            try:
                groups = re.compile(pattern).groups
            except (re.error, OverflowError, RecursionError) as error:
                yield f"{path}.Regex", f"{pattern!r} is not a regular expression ({error}); mend it"
                continue
            if groups == 0:
                yield (
                    f"{path}.Regex",
                    f"{pattern!r} has no group; put the part that is the number in parentheses",
                )


def added_hyperparameter(facts: Facts) -> Iterator[Broken]:
    for definition in facts.definitions:
        metric = definition.objective.get("MetricName")
        given = definition.statics.get(OBJECTIVE_METRIC_KEY, metric)
        if given != metric:
            yield (
                f"{definition.path}.StaticHyperParameters.{OBJECTIVE_METRIC_KEY}",
                f"{given!r} differs from the objective metric {metric!r}, and is added by itself; leave it "
                "out",
            )
        for declared in definition.ranges:
            if declared.name == OBJECTIVE_METRIC_KEY:
                yield f"{declared.path}.Name", f"{OBJECTIVE_METRIC_KEY!r} is reserved; rename the range"


def required_hyperparameters(facts: Facts) -> Iterator[Broken]:
    for definition in facts.definitions:
        algorithm = facts.algorithm(definition)
        if algorithm is None:
            continue
        given = {*definition.statics, *(declared.name for declared in definition.ranges)}
        for name in algorithm.required_hyperparameters:
            if name not in given:
                yield (
                    f"{definition.path}.StaticHyperParameters.{name}",
                    f"is missing, and {algorithm.name} requires {name}; add it, or give it a range",
                )


def grace(facts: Facts) -> Iterator[Broken]:
    for definition in facts.definitions:
        try:
            read_grace(definition.body.get("Environment", {}))
        except InputError as error:
            yield f"{definition.path}.Environment.{GRACE_VARIABLE}", str(error)


def training_time(facts: Facts) -> Iterator[Broken]:
    for definition in facts.definitions:
        path, _, run = _times(definition)
        if run is not None and run > facts.limits.training_seconds:
            yield (
                f"{path}.MaxRuntimeInSeconds",
                f"{run} is above the maximum {facts.limits.training_seconds} (28 days); lower it",
            )


def repeated_tags(facts: Facts) -> Iterator[Broken]:
    for key, times in Counter(tag["Key"] for tag in facts.request.get("Tags", ())).items():
        if times > 1:
            yield "Tags", f"the key {key!r} stands {times} times; keep one"
