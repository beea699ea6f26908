"""Numbers of which a pattern reads a part: 3.2 of 3.2e-05, 7 of 93.27, 0.5 of -0.5, 1 of 1,234.5."""

from __future__ import annotations

import re
from typing import NamedTuple

from hpt.metrics.line import number

_NUMBER = re.compile(
    r"""(?:(?<![\w)\]])[-+])?                       # a sign, which is no hyphen of a word or a range
    (?<![\d.,])(?:
        \d{1,3}(?:[,'\u2019_]\d{3})+(?![\d,])(?:\.\d+)?   # 1,234.5
      | \d{1,3}(?:\.\d{3})+,\d+(?![\d,.])           # 1.234,5
      | \d+,\d+(?![\d,]|\.\d)                       # 0,25
      | \d+\.?\d*
      | \.\d+
    )(?:[eE][-+]?\d+)?""",
    re.ASCII | re.VERBOSE,
)

AROUND = 100
"""Characters before and after a group in which the rest of its number is looked for."""


class CutNumber(NamedTuple):
    """read: what the group reads. whole: the number of which that is a part. at_front: the beginning of the
    number is missing, not only its end.
    """

    read: str
    whole: str
    at_front: bool

    @property
    def separated(self) -> bool:
        """Whether the number is written with separators that no number here may have."""
        return is_separated(self.whole)


def is_separated(whole: str) -> bool:
    """Whether a number is written with separators of thousands or a decimal comma."""
    return any(separator in whole for separator in ",'\u2019_")


def how_to_read_whole(read: str, whole: str) -> str:
    """What to do about a pattern that reads a part of a number."""
    if is_separated(whole):
        return "have the program print numbers without separators of thousands and with a decimal point"
    if not whole.startswith(read):
        return "let nothing before the group take a part of the number (`.*?` for `.*`), and the group signs"
    return "let it take signs and exponents, as ([-+0-9.eE]+) does"


def cut_number(text: str, match: re.Match[str]) -> CutNumber | None:
    """The number that the first group of a match reads a part of; None if it reads a whole one or none."""
    read = match[1]
    value = number(read)
    if value is None:
        return None
    begin = match.start(1) + len(read) - len(read.lstrip())
    end = match.start(1) + len(read.rstrip())
    around = max(0, begin - AROUND)
    for found in _NUMBER.finditer(text, around, end + AROUND):
        if found.end() > begin:
            if found.start() >= end or _value(found[0]) == value:
                return None
            if found.start() > begin or (found.start(), found.end()) == (begin, end):
                return None  # something else than digits comes first
            return CutNumber(read.strip(), found[0], found.start() < begin)
    return None


def _value(whole: str) -> float | None:
    """What a number with separators means."""
    if "," in whole and ("." not in whole or whole.rindex(",") > whole.index(".")):
        thousands = re.fullmatch(r"[-+]?\d{1,3}(?:,\d{3})+(?:[eE].*)?", whole)
        whole = whole.replace(",", "") if thousands else whole.replace(".", "").replace(",", ".")
    return number(re.sub("[,'\u2019_]", "", whole))
