"""The rules that every tuning job keeps, whoever described it, and that no constructor states.

They look at a `Draft` in the order of the table, and the first that is broken is reported. What they cannot
know is not among them: whether names are taken, parents exist, programs and data are there. Rules about the
form of a request (how its ranges are written, which members go together) are the request's own.

Identifiers are those of the service's rules, or words where this implementation adds one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from hpt.errors import Violation
from hpt.job import definition_rules as parts
from hpt.job import search_rules as search
from hpt.job.draft import Draft
from hpt.job.search_rules import Broken
from hpt.job.words import Words

INVALID = "ValidationException"
LIMIT_EXCEEDED = "ResourceLimitExceeded"
"""What the service calls a broken rule, and a broken limit that it may raise."""

Find = Callable[[Draft, Words], Iterator[Broken]]


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
    Rule("metrics", parts.metrics),
    Rule("V05", parts.objective_metric),
    Rule("V06", search.too_many_ranges),
    Rule("V07", search.too_many_hyperparameters),
    Rule("V08", search.duplicate_names),
    Rule("added", parts.added_hyperparameter),
    Rule("V14", search.grid_of_numbers),
    Rule("V15", search.grid_size),
    Rule("V16", search.space_too_small),
    Rule("end", search.no_end),
    Rule("V17", search.early_stopping_of_hyperband),
    Rule("V18", search.hyperband_resource),
    Rule("V19", search.hyperband_order),
    Rule("V20", search.hyperband_elsewhere),
    Rule("V21", parts.wait_without_spot),
    Rule("V22", parts.spot_without_wait),
    Rule("V23", parts.wait_below_run),
    Rule("V24", parts.wait_without_checkpoints),
    Rule("V26", search.warm_start_of_several),
    Rule("V27", search.early_stopping_of_several),
    Rule("V28", search.warm_start),
    Rule("V30", search.too_much_environment),
    Rule("V33", parts.gzip_channels),
    Rule("V34", search.mixed_directions),
    Rule("channels", parts.repeated_channels),
    Rule("uri", parts.uris),
    Rule("required", parts.required_hyperparameters),
    Rule("grace", parts.grace),
    Rule("time", parts.training_time),
    Rule("V31", search.over_quota, LIMIT_EXCEEDED),
    Rule("unsupported", parts.unsupported),
)

SERVICE_ONLY = ("V26", "V27")
"""Rules that only say what the service cannot do and this implementation can."""

EXTENDED_RULES = tuple(rule for rule in RULES if rule.id not in SERVICE_ONLY)


def check(draft: Draft, words: Words, rules: Sequence[Rule] = EXTENDED_RULES) -> Violation | None:
    """The first broken rule, or None."""
    for rule in rules:
        for place, message in rule.find(draft, words):
            return Violation(rule.code, words.path(place), rule.id, message)
    return None
