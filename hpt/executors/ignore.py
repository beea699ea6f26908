"""Patterns of what a snapshot leaves out, in the way of gitignore(5).

A line is a pattern; blank lines and lines that begin with `#` are none. `!` in front takes in again what an
earlier line left out; the last line that matches decides. A `/` at the end: folders only. A `/` elsewhere:
the pattern starts at the top folder; without one it matches a name at any depth. `*` and `?` stop at `/`,
`**` does not; `[...]` is a set of characters. What lies below a folder that is left out is not looked at.

Standard library only: a supervisor may import this.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

IGNORE_FILE = ".hptignore"

DEFAULTS = (".*", "__pycache__/", "*.pyc")
"""Left out unless the ignore file takes them in again. Virtual environments are known by what they hold."""


class Ignore:
    """The patterns of some lines, after the defaults."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._rules = [rule for line in (*DEFAULTS, *lines) if (rule := _rule(line)) is not None]

    def reason(self, path: str, *, folder: bool) -> str | None:
        """The pattern that leaves out a path, relative to the top folder; None if it is taken.

        >>> ignore = Ignore(["*.log", "!keep.log", "/runs/"])
        >>> [ignore.reason(path, folder=False) for path in ("a/b.log", "keep.log", "runs")]
        ['*.log', None, None]
        >>> ignore.reason("runs", folder=True), ignore.reason("a/runs", folder=True)
        ('/runs/', None)
        """
        name = path.rpartition("/")[2]
        found = None
        for line, takes, folders_only, whole_path, pattern in self._rules:
            if folders_only and not folder:
                continue
            if pattern.fullmatch(path if whole_path else name):
                found = None if takes else line
        return found


def _rule(line: str) -> tuple[str, bool, bool, bool, re.Pattern[str]] | None:
    """(the line, whether it takes in, folders only, whether it is matched with whole paths, the pattern)."""
    shown = pattern = re.sub(r"(?<!\\)[ \t\r\n]+$", "", line)
    if not pattern or pattern.startswith("#"):
        return None
    takes = pattern.startswith("!")
    pattern = pattern.removeprefix("!")
    folders_only = pattern.endswith("/")
    pattern = pattern.rstrip("/")
    if not pattern:
        return None
    whole_path = "/" in pattern
    return shown, takes, folders_only, whole_path, re.compile(_regex(pattern.removeprefix("/")), re.DOTALL)


def _regex(pattern: str) -> str:
    parts = []
    place = 0
    while place < len(pattern):
        rest = pattern[place:]
        if rest.startswith("**/") and (place == 0 or pattern[place - 1] == "/"):
            parts.append("(?:.*/)?")
            place += 3
        elif rest.startswith("**"):
            parts.append(".*")
            place += 2
        elif rest[0] == "*":
            parts.append("[^/]*")
            place += 1
        elif rest[0] == "?":
            parts.append("[^/]")
            place += 1
        elif (characters := re.match(r"\[([!^]?)(\]?[^]]*)\]", rest)) is not None:
            inside = re.sub(r"([\\\[&~|])", r"\\\1", characters[2])
            candidate = f"[{'^' if characters[1] else ''}{inside}]"
            parts.append(candidate if _compiles(candidate) else re.escape(characters[0]))
            place += len(characters[0])
        else:
            if rest[0] == "\\" and len(rest) > 1:
                place += 1
            parts.append(re.escape(pattern[place]))
            place += 1
    return "".join(parts)


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:  # such as a range in the wrong order
        return False
    return True
