"""What a program wrote reaches a terminal without control characters."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from hpt.host.terminal import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[32macc=0.6\x1b[0m", r"\x1b[32macc=0.6\x1b[0m"),
        ("\x1b[2J\x07\x08", r"\x1b[2J\x07\x08"),
        ("a\rb", r"a\rb"),
        ("\x9b31mred", r"\x9b31mred"),  # the same as ESC [ in one character
        ("\udcff\udc9b", r"\xff\x9b"),  # bytes that are not UTF-8
        ("\ud800", r"\ud800"),
        ("\u202etxt.exe", r"\u202etxt.exe"),
        ("one\ntwo\tthree", "one\ntwo\tthree"),
        ("Größe=0.5 损失 🙂", "Größe=0.5 损失 🙂"),
        ("\\x1b", "\\x1b"),
        ("", ""),
    ],
)
def test_control_characters_are_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_what_is_kept_can_be_chosen() -> None:
    assert printable("a\tb\nc", keep="") == r"a\tb\nc"


def test_no_character_of_control_is_left() -> None:
    shown = printable("".join(map(chr, range(sys.maxunicode + 1))), keep="")
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    shown.encode()
