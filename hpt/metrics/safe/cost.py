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
from hpt.metrics.fast.program import Program
from hpt.metrics.line import TAB_AS_TEXT
from hpt.metrics.syntax import parse

INSTANT = 1e5
"""So many steps take no time to speak of."""

HARMLESS = 4e6
"""So many steps are a matter of some tens of milliseconds."""

_TAB_AS_TEXT = TAB_AS_TEXT.encode()

MANY = 8  # a repeat with so much freedom counts


@dataclass(frozen=True, slots=True)
class SearchCost:
    """A bound on the steps of one search: starts * weight * length ** degree, or no bound at all.

    beginning: what every match begins with; a search starts where it stands.
    """

    degree: float
    weight: float
    beginning: bytes

    @property
    def unbounded(self) -> bool:
        return self.degree == inf

    @property
    def instant(self) -> float:
        """Lines up to this length, a TAB counting as four, are certainly done with at once."""
        return -1.0 if self.unbounded else float((INSTANT / self.weight) ** (1 / (self.degree + 1)) - 1)

    @property
    def instant_once(self) -> float:
        """The same of lines where a match can begin in one place at most, as far as that can be counted."""
        if self.unbounded or not self.beginning or set(self.beginning) & set(_TAB_AS_TEXT):
            return -1.0
        return float((INSTANT / self.weight) ** (1 / max(1.0, self.degree)) - 1)

    def steps(self, line: bytes) -> float:
        """For that line, and for what it is with its TABs as text."""
        line = line.replace(b"\t", _TAB_AS_TEXT)
        return self.steps_at_most(line.decode("latin-1"), len(line))

    def steps_at_most(self, text: str, width: int) -> float:
        """For many lines at once, the longest of that width."""
        if self.unbounded:
            return inf
        starts = text.count(self.beginning.decode()) if self.beginning else len(text) + 1
        return float(len(text) + starts * self.weight * (width + 1) ** self.degree)


def search_cost(plan: PatternPlan) -> SearchCost:
    """What `re` may need for the pattern of a plan."""
    tree, _ = parse(plan.pattern)
    degree, weight = _walk(tree)
    if degree < inf and plan.program is not None:
        degree = float(sum(_is_free(plan.program, pc) for pc in range(len(plan.program.rows))))
    return SearchCost(degree, weight, b"" if plan.program is None else plan.program.beginning())


def _is_free(program: Program, pc: int) -> bool:
    """Whether a repeat of one character set may have to be tried in many ways."""
    op, _, least, most, _, closed = program.rows[pc]
    if op not in (machine.GREEDY, machine.LAZY) or closed or 0 <= most < least + MANY:
        return False
    return not program.always_matches(pc + 1)


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
