"""Rules about the form of a request: which members must, or must not, be given together (behaviour 2.9).

Rules for all jobs, however they are described, are in `hpt.job.rules`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hpt.job import channel_rules, definition_rules, search_rules
from hpt.job.draft import KINDS
from hpt.sagemaker.request.facts import CONFIG, Facts
from hpt.sagemaker.request.range_rules import Broken, shared


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
                "are hints for Autotune, which is not enabled; add Autotune with Mode Enabled, or give "
                "ranges",
            )


def repeated_hints(facts: Facts) -> Iterator[Broken]:
    """Hints are checked before they become ranges and static values, which would hide what was given."""
    for definition in facts.definitions:
        ranged = {each.name for each in definition.ranges}
        seen: set[str] = set()
        for i, hint in enumerate(definition.ranges_body.get("AutoParameters", ())):
            name, path = hint["Name"], f"{definition.ranges_path}.AutoParameters[{i}].Name"
            if name in seen:
                yield path, f"{name!r} has two hints; keep one"
            elif name in definition.statics:
                yield path, f"{name!r} has a hint and is in StaticHyperParameters as well; keep one of them"
            elif name in ranged:
                yield path, f"{name!r} has a hint and a range; keep one of them"
            seen.add(name)


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


def more_at_once_than_in_all(facts: Facts) -> Iterator[Broken]:
    """The service asks for it. Local jobs may; no more than the total are ever launched."""
    limits = facts.resource_limits
    total = limits.get("MaxNumberOfTrainingJobs")
    if total is None and facts.strategy == "Grid":
        total = facts.draft.combinations
    parallel = limits["MaxParallelTrainingJobs"]
    if not facts.paths and total is not None and parallel > total:
        yield (
            f"{CONFIG}.ResourceLimits.MaxParallelTrainingJobs",
            f"{parallel} is above the {total} training jobs of all definitions together; lower it to {total}",
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
        if "AllocationStrategy" in config and "InstanceConfigs" not in config:
            yield f"{path}.AllocationStrategy", "chooses among InstanceConfigs, and none are given; add them"
        resources = definition.body.get("ResourceConfig", {})
        mixed = [name for name in ("InstanceType", "InstanceCount") if name in resources]
        if resources.get("InstanceGroups") and mixed:
            yield (
                f"{definition.path}.ResourceConfig.InstanceGroups",
                f"is given beside {' and '.join(mixed)}, and each group has its own; keep one or the other",
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
    yield from shared(search_rules.warm_start)(facts)


def image(facts: Facts) -> Iterator[Broken]:
    for definition in facts.definitions:
        specification = definition.body["AlgorithmSpecification"]
        path = f"{definition.path}.AlgorithmSpecification.TrainingImage"
        has_image, has_name = "TrainingImage" in specification, "AlgorithmName" in specification
        if has_image and has_name:
            yield path, "is given beside AlgorithmName; keep TrainingImage"
        elif not has_image and not has_name:
            yield path, f"is missing; {definition_rules.programs(facts.draft)}"
    yield from shared(definition_rules.image)(facts)


def metrics(facts: Facts) -> Iterator[Broken]:
    """The service refuses definitions for its own images, in these words, unless they are those that Describe
    shows. Local jobs may give them, and get a note.
    """
    for definition in () if facts.paths else facts.definitions:
        algorithm = facts.program(definition).algorithm
        known = () if algorithm is None else [(each.name, each.regex) for each in algorithm.metrics]
        if algorithm is not None and any(
            (each["Name"], each.get("Regex")) not in known for each in definition.metrics
        ):
            yield (
                f"{definition.path}.AlgorithmSpecification.MetricDefinitions",
                "You can't override the metric definitions for Amazon SageMaker algorithms. Please retry the "
                "request without specifying metric definitions.",
            )
    yield from shared(definition_rules.metrics)(facts)


def channels(facts: Facts) -> Iterator[Broken]:
    yield from shared(channel_rules.repeated)(facts)
    for definition in facts.definitions:
        for i, channel in enumerate(definition.body.get("InputDataConfig", ())):
            sources = list(channel["DataSource"])
            if len(sources) != 1:
                has = f"{' and '.join(sources)} are given" if sources else "none is given"
                yield (
                    f"{definition.path}.InputDataConfig[{i}].DataSource",
                    f"exactly one data source is needed, and {has}; give S3DataSource",
                )
            mode = channel.get(
                "InputMode", definition.body["AlgorithmSpecification"].get("TrainingInputMode")
            )
            if "FileSystemDataSource" in sources and mode not in (None, "File"):
                yield (
                    f"{definition.path}.InputDataConfig[{i}].InputMode",
                    f"{mode!r} is not for a file system, whose files are there already; use File",
                )


def repeated_tags(facts: Facts) -> Iterator[Broken]:
    for key, times in Counter(tag["Key"] for tag in facts.request.get("Tags", ())).items():
        if times > 1:
            yield "Tags", f"the key {key!r} is given {times} times; keep one"
