"""The rules for every tuning job, however it was described, that no constructor checks.

They are checked on a `Draft` in the order of the table, and the first broken rule is reported. Rules that
need more than the draft are elsewhere: whether names are taken, and whether parents, programs and data exist.
Rules about the form of a request (how its ranges are written, which members go together) belong to the
request.

Identifiers are those of the service's rules. A rule that this implementation adds has a word for a name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from hpt.errors import Violation
from hpt.job import channel_rules as channel
from hpt.job import definition_rules as parts
from hpt.job import instance_rules
from hpt.job import passing_rules as passing
from hpt.job import search_rules as search
from hpt.job.draft import Draft
from hpt.job.naming import Naming
from hpt.job.search_rules import Broken

INVALID = "ValidationException"
LIMIT_EXCEEDED = "ResourceLimitExceeded"
"""What the service calls a broken rule, and a broken limit that it may raise."""

Find = Callable[[Draft, Naming], Iterator[Broken]]


class Rule(NamedTuple):
    """`find` yields each place where the rule is broken."""

    id: str
    find: Find
    code: str = INVALID


RULES: tuple[Rule, ...] = (
    Rule("strategy", search.unknown_strategy),
    Rule("V03", search.no_ranges),
    Rule("definitions", parts.repeated_definitions),
    Rule("image", parts.image),
    Rule("script", parts.script_mode),
    Rule("metrics", parts.metrics),
    Rule("V05", parts.objective_metric),
    Rule("V06", search.too_many_ranges),
    Rule("V07", search.too_many_hyperparameters),
    Rule("counts", search.too_many_parts),
    Rule("V08", search.duplicate_names),
    Rule("added", parts.added_hyperparameter),
    Rule("V14", search.grid_of_numbers),
    Rule("V15", search.grid_size),
    Rule("V16", search.space_too_small),
    Rule("end", search.no_end),
    Rule("repeats", search.repeats_elsewhere),
    Rule("V17", search.early_stopping_of_hyperband),
    Rule("V18", search.hyperband_resource),
    Rule("V19", search.hyperband_order),
    Rule("V20", search.hyperband_elsewhere),
    Rule("V21", parts.wait_without_spot),
    Rule("V22", parts.spot_without_wait),
    Rule("V23", parts.wait_below_run),
    Rule("V24", parts.wait_without_checkpoints),
    Rule("V26", search.multi_algorithm_warm_start),
    Rule("V27", search.multi_algorithm_early_stopping),
    Rule("V28", search.warm_start),
    Rule("V30", search.too_much_environment),
    Rule("V33", channel.gzip),
    Rule("V34", search.mixed_directions),
    Rule("channels", channel.repeated),
    Rule("inputs", channel.forms),
    Rule("directories", passing.channel_names),
    Rule("names", passing.names),
    Rule("passing", passing.values),
    Rule("uri", parts.uris),
    Rule("required", parts.required_hyperparameters),
    Rule("grace", parts.grace),
    Rule("resources", parts.resources),
    Rule("containers", parts.containers),
    Rule("checkpoints", parts.checkpoints),
    Rule("time", parts.training_time),
    Rule("instances", instance_rules.number),
    Rule("groups", instance_rules.groups),
    Rule("group-channels", instance_rules.channels_of_groups),
    Rule("V31", search.over_quota, LIMIT_EXCEEDED),
)

SERVICE_ONLY = ("V26", "V27")
"""Rules that only say what the service cannot do and this implementation can."""

EXTENDED_RULES = tuple(rule for rule in RULES if rule.id not in SERVICE_ONLY)


def check(draft: Draft, naming: Naming, rules: Sequence[Rule] = EXTENDED_RULES) -> Violation | None:
    """The first broken rule, or None."""
    for rule in rules:
        for place, message in rule.find(draft, naming):
            return Violation(rule.code, naming.path(place), rule.id, message)
    return None
