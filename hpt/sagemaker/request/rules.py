"""The cross-field rules of a request, one table: identifier, error code, function (AMT 2.12).

They are checked in this order once every shape is right, and the first that is broken is reported. Rules that
need stored jobs (V01: the name is taken; V29: a parent is missing) belong to whoever stores jobs; V32 to a
server. Identifiers in words are rules that AMT states elsewhere, or that this implementation adds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from hpt.errors import Violation
from hpt.sagemaker.request import definition_rules as parts
from hpt.sagemaker.request import range_rules as ranges
from hpt.sagemaker.request.facts import Facts
from hpt.sagemaker.request.range_rules import Broken
from hpt.sagemaker.request.shapes import CODE

LIMIT_EXCEEDED = "ResourceLimitExceeded"


class Rule(NamedTuple):
    """`find` yields each place where the rule is broken."""

    id: str
    find: Callable[[Facts], Iterator[Broken]]
    code: str = CODE


RULES: tuple[Rule, ...] = (
    Rule("V02", parts.one_form),
    Rule("hints", parts.hints_without_autotune),
    Rule("V03", parts.single_form_parts),
    Rule("V04", parts.multi_form_parts),
    Rule("definitions", parts.repeated_definitions),
    Rule("image", parts.image),
    Rule("metrics", parts.metrics),
    Rule("V05", parts.objective_metric),
    Rule("V06", ranges.too_many_ranges),
    Rule("V07", ranges.too_many_hyperparameters),
    Rule("V08", ranges.duplicate_names),
    Rule("added", parts.added_hyperparameter),
    Rule("V09", ranges.bad_bounds),
    Rule("V10", ranges.equal_bounds),
    Rule("V11", ranges.repeated_values),
    Rule("V12", ranges.logarithm_of_nothing),
    Rule("V13", ranges.reverse_logarithm),
    Rule("V14", ranges.grid_of_numbers),
    Rule("V15", ranges.grid_size),
    Rule("V16", ranges.space_too_small),
    Rule("end", ranges.no_end),
    Rule("V17", parts.early_stopping_of_hyperband),
    Rule("V18", parts.hyperband_resource),
    Rule("V19", parts.hyperband_order),
    Rule("V20", parts.hyperband_elsewhere),
    Rule("V21", parts.wait_without_spot),
    Rule("V22", parts.spot_without_wait),
    Rule("V23", parts.wait_below_run),
    Rule("V24", parts.wait_without_checkpoints),
    Rule("V25", parts.one_resource_config),
    Rule("V26", parts.warm_start_of_several),
    Rule("V27", parts.early_stopping_of_several),
    Rule("V28", parts.warm_start),
    Rule("V30", parts.too_much_environment),
    Rule("V33", parts.gzip_channels),
    Rule("V34", parts.mixed_directions),
    Rule("channels", parts.channels),
    Rule("uri", parts.uris),
    Rule("required", parts.required_hyperparameters),
    Rule("grace", parts.grace),
    Rule("time", parts.training_time),
    Rule("tags", parts.repeated_tags),
    Rule("V31", ranges.over_quota, LIMIT_EXCEEDED),
)


EXTENDED_RULES = tuple(rule for rule in RULES if rule.id not in ("V26", "V27"))
"""The rules without what the service cannot do and this implementation can."""


def check_rules(facts: Facts, rules: Sequence[Rule] = RULES) -> Violation | None:
    """The first broken rule, or None."""
    for rule in rules:
        for path, message in rule.find(facts):
            return Violation(rule.code, path, rule.id, message)
    return None
