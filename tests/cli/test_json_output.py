"""Every document that a command prints is JSON, whatever numbers and strings are in it."""

from __future__ import annotations

import json
import math

import pytest

from hpt.cli.json_output import to_json


def refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


def test_numbers_that_json_lacks_are_strings_which_python_reads() -> None:
    document = {"a": [math.nan, {"b": math.inf}], "c": (-math.inf, 1e300), "d": True, "e": None, "f": 2}
    read = json.loads(to_json(document), parse_constant=refuse)
    assert read == {"a": ["NaN", {"b": "Infinity"}], "c": ["-Infinity", 1e300], "d": True, "e": None, "f": 2}
    assert math.isnan(float(read["a"][0])) and float(read["c"][0]) == -math.inf


@pytest.mark.parametrize("string", ["\x1b[2J", "\x9b31m", "\x7f", "\u2028", "\u202e", "\udcff", "ä\n\0\t"])
def test_a_string_comes_back_and_holds_nothing_that_a_terminal_obeys(string: str) -> None:
    printed = to_json({string: string})
    assert json.loads(printed) == {string: string}
    assert all(character == "\n" or character.isprintable() for character in printed)
    printed.encode("utf-8")
