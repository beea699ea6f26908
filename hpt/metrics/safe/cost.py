"""How long `re` may take over a pattern, at worst.

`re` tries one way after another. A repeat of something that can itself match in several ways doubles them
with each character; several repeats in a row that can share out the same characters take a power of the
line's length.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from re import _constants  # type: ignore[attr-defined]
from typing import Any

from hpt.metrics.fast import machine
from hpt.metrics.fast.plan import PatternPlan
from hpt.metrics.syntax import parse

INSTANT = 2e4
"""So many steps take no time to speak of."""

HARMLESS = 4e6
"""So many steps are a matter of some tens of milliseconds."""

MANY = 8  # a repeat with so much freedom counts


@dataclass(frozen=True, slots=True)
class SearchCost:
    """A bound on the steps of one search: weight * length ** degree, or no bound at all."""

    degree: float
    weight: float

    @property
    def unbounded(self) -> bool:
        return self.degree == inf

    def steps(self, length: int) -> float:
        """For a line of that length."""
        return inf if self.unbounded else self.weight * float(length + 1) ** self.degree

    @property
    def instant(self) -> float:
        """Lines up to this length are certainly done with at once."""
        return self._longest(INSTANT)

    @property
    def harmless(self) -> float:
        """Lines up to this length are certainly done with quickly."""
        return self._longest(HARMLESS)

    def _longest(self, steps: float) -> float:
        if self.unbounded or self.weight > steps:
            return -1.0
        return inf if self.degree == 0 else (steps / self.weight) ** (1 / self.degree) - 1


def search_cost(plan: PatternPlan) -> SearchCost:
    """What `re` may need for the pattern of a plan."""
    tree, _ = parse(plan.pattern)
    degree, weight = _walk(tree)
    if degree < inf and plan.program is not None:
        rows = plan.program.rows
        free = [row for row in rows if row[0] in (machine.GREEDY, machine.LAZY) and not row[5]]
        degree = float(sum(row[3] < 0 or row[3] - row[2] >= MANY for row in free))
    begins = plan.literals is not None and all(literal.prefix for literal in plan.literals)
    return SearchCost(degree + (not begins), weight)


def _walk(nodes: Any) -> tuple[float, float]:
    """Degree and weight of a sequence."""
    degree, weight = 0.0, 1.0
    for op, argument in nodes:
        if op in (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT):
            least, most, body = argument
            inner, inner_weight = _walk(body)
            free = most is _constants.MAXREPEAT or most - least >= MANY
            several = inner > 0 or inner_weight > 1 or _flexible(body)
            degree += inf if free and several else inner + free
            weight += inner_weight * (1 if most is _constants.MAXREPEAT else max(1, most))
        elif op is _constants.SUBPATTERN:
            inner, inner_weight = _walk(argument[3])
            degree, weight = degree + inner, weight + inner_weight - 1
        elif op is _constants.ATOMIC_GROUP:
            inner, inner_weight = _walk(argument)
            degree, weight = degree + inner, weight + inner_weight - 1
        elif op is _constants.BRANCH:
            parts = [_walk(part) for part in argument[1]]
            degree += max(part[0] for part in parts)
            weight *= sum(part[1] for part in parts)
        elif op in (_constants.ASSERT, _constants.ASSERT_NOT):
            inner, inner_weight = _walk(argument[1])
            degree, weight = degree + inner, weight + inner_weight
        elif op is _constants.GROUPREF_EXISTS:
            return inf, weight
        elif op is _constants.GROUPREF:
            degree += 1
    return degree, weight


def _flexible(body: Any) -> bool:
    """Whether a repeated body can match texts of different lengths."""
    least, most = body.getwidth()
    return bool(least != most)
