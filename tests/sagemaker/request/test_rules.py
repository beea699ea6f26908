"""Every rule has requests that break it and requests that just do not; without the rule the former would
pass.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from hpt.errors import Violation
from hpt.job.rules import RULES as JOB_RULES
from hpt.sagemaker.request.rules import RULES, check_rules
from tests.sagemaker.request.broken_own_rules import BROKEN_OTHERS
from tests.sagemaker.request.broken_rules import BROKEN_NUMBERS, Case
from tests.sagemaker.request.kept_rules import KEPT
from tests.sagemaker.request.samples import RANGES, edit, facts, grid, multi, single

BROKEN = [*BROKEN_NUMBERS, *BROKEN_OTHERS]

CODES = {"V31": "ResourceLimitExceeded"}


def check(case: Case, without: str = "") -> Violation | None:
    rules = [rule for rule in RULES if rule.id != without]
    return check_rules(
        facts(edit(case.base(), case.changes), strict=case.strict, find=case.find, limits=case.limits), rules
    )


def names(cases: list[Case]) -> list[str]:
    """`V02-1`, `V02-2`, ...: what the table of `tests/amt` finds the cases of a rule by."""
    count: Counter[str] = Counter()
    found = []
    for case in cases:
        count[case.rule] += 1
        found.append(f"{case.rule}-{count[case.rule]}")
    return found


@pytest.mark.parametrize("case", BROKEN, ids=names(BROKEN))
def test_a_broken_rule_gives_code_path_and_message(case: Case) -> None:
    found = check(case)
    assert found is not None
    assert (found.rule, found.code, found.path) == (
        case.rule,
        CODES.get(case.rule, "ValidationException"),
        case.path,
    )
    assert found.message == case.message


@pytest.mark.parametrize("case", BROKEN, ids=names(BROKEN))
def test_without_the_rule_the_request_would_pass(case: Case) -> None:
    assert check(case, without=case.rule) is None


@pytest.mark.parametrize("case", KEPT, ids=names(KEPT))
def test_requests_that_keep_the_rule(case: Case) -> None:
    assert check(case) is None


def test_every_rule_has_cases_on_both_sides() -> None:
    assert {rule.id for rule in RULES} == {case.rule for case in BROKEN} == {case.rule for case in KEPT}
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_every_number_of_the_service_is_in_the_table_or_is_the_storage_s() -> None:
    numbers = {f"V{number:02}" for number in range(1, 35)}
    assert numbers - {rule.id for rule in RULES} == {"V01", "V29", "V32"}


def test_the_first_broken_rule_wins() -> None:
    request = edit(
        single(),
        {
            f"{RANGES}.ContinuousParameterRanges[0].MinValue": "x",
            f"{RANGES}.IntegerParameterRanges[0].Name": "eta",
        },
    )
    found = check_rules(facts(request))
    assert found is not None
    assert found.rule == "V08"


@pytest.mark.parametrize("base", [single, grid, multi])
@pytest.mark.parametrize("strict", [True, False])
def test_the_bases_break_nothing(base: Any, strict: bool) -> None:
    assert check_rules(facts(base(), strict=strict)) is None


def test_every_rule_of_jobs_is_one_of_requests() -> None:
    """But that of the strategy's name, which is part of a request's shape."""
    assert {rule.id for rule in JOB_RULES} - {rule.id for rule in RULES} == {"strategy"}
