"""How deep a value is nested is found without recursing."""

from __future__ import annotations

import json

import pytest

from hpt.job.passing_rules import nesting


@pytest.mark.parametrize(
    ("value", "levels"),
    [
        ("", 0),
        ("0.5", 0),
        ("adam((((", 0),
        ("[]", 1),
        (' {"a": [1, {"b": 2}]}', 3),
        (json.dumps(["[[[[", '"[[', "\\", "]"]), 1),
        (json.dumps({'a\\"[': [1]}), 2),
        ("[" * 1200 + "]" * 1200, 1200),
        ('{"a":' * 1200 + "1" + "}" * 1200, 1200),
        ("[" * 1_000_000, 1_000_000),
    ],
)
def test_nesting(value: str, levels: int) -> None:
    assert nesting(value) == levels
