"""The rules of a request, one table: identifier, error code, function (behaviour 2.9).

They are checked in this order once every shape is valid, and the first broken rule is reported. Those made by
`every` are for every job, however it is described, and are defined in `hpt.job`; the others are about the
form of a request. Rules that need stored jobs (V01: the name is taken; V29: a parent is missing) are checked
where jobs are stored, V32 by the service. A rule whose identifier is a word is described elsewhere in the
behaviour document, or added by this implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from hpt.errors import Violation
from hpt.job.rules import LIMIT_EXCEEDED, SERVICE_ONLY
from hpt.job.rules import RULES as JOB_RULES
from hpt.sagemaker.request import definition_rules as parts
from hpt.sagemaker.request import range_rules as ranges
from hpt.sagemaker.request.facts import Facts
from hpt.sagemaker.request.range_rules import Broken, shared
from hpt.sagemaker.request.shapes import CODE

__all__ = ["EXTENDED_RULES", "LIMIT_EXCEEDED", "RULES", "Rule", "check_rules"]


class Rule(NamedTuple):
    """`find` yields each place where the rule is broken."""

    id: str
    find: Callable[[Facts], Iterator[Broken]]
    code: str = CODE


def every(id: str) -> Rule:
    """The rule of all jobs with that identifier."""
    [rule] = [rule for rule in JOB_RULES if rule.id == id]
    return Rule(id, shared(rule.find), rule.code)


RULES: tuple[Rule, ...] = (
    Rule("V02", parts.one_form),
    Rule("hints", parts.hints_without_autotune),
    Rule("V03", parts.single_form_parts),
    Rule("V04", parts.multi_form_parts),
    every("definitions"),
    Rule("image", parts.image),
    every("script"),
    Rule("metrics", parts.metrics),
    every("V05"),
    every("V06"),
    every("V07"),
    every("counts"),
    every("V08"),
    every("added"),
    Rule("V09", ranges.bad_bounds),
    Rule("V10", ranges.equal_bounds),
    Rule("V11", ranges.repeated_values),
    Rule("V12", ranges.logarithm_of_nonpositive),
    Rule("V13", ranges.reverse_logarithm),
    every("V14"),
    every("V15"),
    every("V16"),
    every("end"),
    Rule("parallel", parts.more_at_once_than_in_all),
    every("repeats"),
    every("V17"),
    every("V18"),
    every("V19"),
    every("V20"),
    every("V21"),
    every("V22"),
    every("V23"),
    every("V24"),
    Rule("V25", parts.one_resource_config),
    every("V26"),
    every("V27"),
    Rule("V28", parts.warm_start),
    every("V30"),
    every("V33"),
    every("V34"),
    Rule("channels", parts.channels),
    every("inputs"),
    every("directories"),
    every("names"),
    every("passing"),
    every("uri"),
    every("required"),
    every("grace"),
    every("resources"),
    every("containers"),
    every("checkpoints"),
    every("time"),
    every("instances"),
    every("groups"),
    every("group-channels"),
    Rule("tags", parts.repeated_tags),
    every("V31"),
)


EXTENDED_RULES = tuple(rule for rule in RULES if rule.id not in SERVICE_ONLY)
"""The rules without those that refuse what only the service cannot do."""


def check_rules(facts: Facts, rules: Sequence[Rule] = RULES) -> Violation | None:
    """The first broken rule, or None."""
    for rule in rules:
        for path, message in rule.find(facts):
            return Violation(rule.code, path, rule.id, message)
    return None
