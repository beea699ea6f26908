from __future__ import annotations

import re
import unicodedata

import pytest

from hpt.sagemaker.request.model import CREATE_TUNING_JOB, load_shapes
from hpt.sagemaker.request.patterns import compile_pattern, matches


def reachable(root: str) -> set[str]:
    shapes, found, waiting = load_shapes(), set(), [root]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        shape = shapes[name]
        waiting += [member["shape"] for member in shape.get("members", {}).values()]
        waiting += [shape[part]["shape"] for part in ("member", "key", "value") if part in shape]
    return found


PATTERNS = sorted(
    {
        load_shapes()[name]["pattern"]
        for name in reachable(CREATE_TUNING_JOB)
        if "pattern" in load_shapes()[name]
    }
)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_every_pattern_of_the_request_compiles(pattern: str, ascii_only: bool) -> None:
    compile_pattern(pattern, ascii_only)


def test_some_of_them_need_the_translation() -> None:
    with pytest.raises(re.error):
        re.compile(load_shapes()["TagKey"]["pattern"])


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("team", True),
        ("équipe", True),
        ("команда 7", True),
        ("数値", True),
        ("a_b.c:d/e=f+g-h@i", True),
        ("Ⅷ", True),  # a number that is no digit
        ("a!", False),
        ("naïve!", False),
        ("smile 😀", False),
        ("tab\t", False),
    ],
)
def test_tag_keys_take_letters_digits_and_blanks_of_any_script(text: str, fits: bool) -> None:
    assert matches(load_shapes()["TagKey"]["pattern"], text) is fits


def test_categories_agree_with_the_unicode_data() -> None:
    for category in ("L", "Z", "N", "Lu", "P"):
        pattern = compile_pattern(rf"\p{{{category}}}")
        for point in range(0, 0x30000, 7):
            character = chr(point)
            expected = unicodedata.category(character).startswith(category)
            assert (pattern.fullmatch(character) is not None) is expected, hex(point)


def test_properties_within_and_without_a_class() -> None:
    assert matches(r"\p{L}+[\p{N}-]*", "abc12-3")
    assert not matches(r"\p{L}+[\p{N}-]*", "abc12_3")
    assert matches(r"arn:[\p{Alnum}\-]+", "arn:a-1")


def test_an_escaped_bracket_opens_no_class() -> None:
    assert matches(r"\[\p{L}\]", "[x]")


def test_a_negated_property_is_refused_rather_than_misread() -> None:
    with pytest.raises(re.error, match="not translated"):
        compile_pattern(r"\P{L}")


def test_patterns_match_the_whole_text_and_ascii_digits_only() -> None:
    assert not matches(r"\d+", "12a")
    assert not matches(r"\d+", "١٢")
    assert not matches("[a-z]+", "abc\n")
