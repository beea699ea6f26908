"""Validation of a value against the service model's shapes: types, required, min, max, pattern, enum.

The model is botocore's, passed as plain data (`model` loads it). botocore's own validator does not check
patterns, maxima and enums. All violations are collected.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hpt.errors import MOST_VIOLATIONS, Violation
from hpt.sagemaker.request.patterns import matches
from hpt.search.space import value_string

Shapes = Mapping[str, Mapping[str, Any]]
"""The `shapes` of a botocore service model, by name."""

CODE = "ValidationException"
RULE = "shape"
_INTEGERS = {"integer": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}
_SHOWN = 80
_MOST = 1000
"""So many violations are collected; the others are counted."""
_MOST_PARTS = 200
"""Values with more entries, however they are nested, are not written out in messages."""


class Violations(tuple[Violation, ...]):
    """The violations of a value. more: how many there are beyond those."""

    more: int = 0


@dataclass(frozen=True, slots=True)
class SourceText:
    """A number, boolean or null of a job file, with its spelling.

    Where the model requires a string, an overlay may accept `text`, the spelling (`0.10`, `1e-3`); elsewhere
    `value` counts.
    """

    text: str
    value: float | int | bool | None


@dataclass(frozen=True, slots=True)
class Overlay:
    """Named relaxations of the model.

    optional: `Shape.Member` names that may be left out though required. bounds: minimum and maximum by shape
    name, in place of the model's. free: shapes of which neither pattern nor enum is checked.
    scalars_as_strings: accept numbers and booleans where a string is required. words: by shape name, what a
    string stands for that is not a value of its enum; None if for nothing. further: more values of an enum,
    by shape name. members: more members of a structure and their shapes, by its name. shapes: those that
    the model does not have.
    """

    name: str
    optional: frozenset[str] = frozenset()
    bounds: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    free: frozenset[str] = frozenset()
    scalars_as_strings: bool = False
    words: Mapping[str, Callable[[str], str | None]] = field(default_factory=dict)
    further: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    members: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    shapes: Shapes = field(default_factory=dict)


STRICT = Overlay("strict")


def check_shape(
    shapes: Shapes, root: str, value: object, overlay: Overlay = STRICT
) -> tuple[Any, Violations]:
    """The value as plain data, and its violations.

    Parameters
    ----------
    shapes
        The shapes of the service model.
    root
        The name of the shape of the value.
    value
        The value.
    overlay
        Relaxations of the model.

    Returns
    -------
    plain
        A copy of the value without `SourceText`; incomplete if it has violations.
    violations : Violations
        All violations, or the first of very many and the number of the others.
    """
    walk = _Walk(shapes, overlay)
    try:
        plain = walk.visit(value, root, "")
    except RecursionError:  # a search expression may contain others
        plain = None
        walk.fail("", "is nested too deeply; flatten it")
    violations = Violations(walk.violations)
    violations.more = walk.more
    return plain, violations


def members(shapes: Shapes, root: str) -> Iterator[str]:
    """The path of every member reachable from `root`: `[]` marks a list's entries, `{}` a map's."""

    def below(name: str, path: str) -> Iterator[str]:
        shape = shapes[name]
        if shape["type"] == "structure":
            for member, target in shape["members"].items():
                inner = f"{path}.{member}" if path else member
                yield inner
                yield from below(target["shape"], inner)
        elif shape["type"] == "list":
            yield from below(shape["member"]["shape"], f"{path}[]")
        elif shape["type"] == "map":
            yield from below(shape["value"]["shape"], f"{path}{{}}")

    yield from below(root, "")


def show(value: object) -> str:
    """A value for a message: its repr, cut short."""
    if isinstance(value, SourceText):
        value = value.text
    if isinstance(value, str | bytes):
        value = value[: _SHOWN + 1]
    elif _is_large(value):
        return f"a value of more than {_MOST_PARTS} parts"
    try:
        text = repr(_spelled(value))
    except ValueError:  # Python refuses to print integers of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def closest(name: str, known: Sequence[str]) -> str:
    """`; did you mean 'x'?` if a known name resembles `name`, else ""."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6) or [
        other for other in known if other.lower() == name.lower() or (name and other.startswith(name))
    ]
    return f"; did you mean {near[0]!r}?" if near else ""


class _Walk:
    def __init__(self, shapes: Shapes, overlay: Overlay) -> None:
        self.shapes = {**shapes, **overlay.shapes} if overlay.shapes else shapes
        self.overlay = overlay
        self.violations: list[Violation] = []
        self.more = 0

    def fail(self, path: str, message: str) -> None:
        if len(self.violations) < _MOST:
            self.violations.append(Violation(CODE, path, RULE, message))
        else:
            self.more += 1

    def visit(self, value: object, name: str, path: str) -> Any:
        if value is None or (isinstance(value, SourceText) and value.value is None):
            self.fail(path, "is null; leave the member out, or give it a value (a string 'null' in quotes)")
            return None
        kind = self.shapes[name]["type"]
        match kind:
            case "structure":
                return self.structure(value, name, path)
            case "list":
                return self.sequence(value, name, path)
            case "map":
                return self.mapping(value, name, path)
            case "string":
                return self.string(value, name, path)
            case "integer" | "long":
                return self.integer(value, name, path)
            case "float" | "double" | "timestamp":  # seconds since the epoch, as on the wire
                return self.real(value, path)
            case "boolean":
                return self.boolean(value, path)
        raise RuntimeError(f"shape {name} has type {kind!r}, which is not supported")

    def structure(self, value: object, name: str, path: str) -> Any:
        if not isinstance(value, Mapping):
            self.fail(path, f"{show(value)} is {_kind(value)}; give an object with members")
            return None
        shape = self.shapes[name]
        known = shape["members"]
        if name in self.overlay.members:
            more = self.overlay.members[name]
            known = {**known, **{member: {"shape": target} for member, target in more.items()}}
        for member in shape.get("required", ()):
            if member not in value and f"{name}.{member}" not in self.overlay.optional:
                self.fail(_join(path, member), f"is missing and is required; add {member}")
        plain = {}
        for key, inner in value.items():
            member = key.text if isinstance(key, SourceText) else key
            if member in known:
                plain[member] = self.visit(inner, known[member]["shape"], _join(path, member))
            elif len(self.violations) >= MOST_VIOLATIONS:
                self.fail(_join(path, str(member)), f"is not a member of {path or 'the request'}")
            else:
                hint = closest(str(member), list(known)) or f"; it takes {', '.join(known)}"
                self.fail(_join(path, str(member)), f"is not a member of {path or 'the request'}{hint}")
        return plain

    def sequence(self, value: object, name: str, path: str) -> Any:
        if isinstance(value, str | bytes) or not isinstance(value, Sequence):
            self.fail(path, f"{show(value)} is {_kind(value)}; give a list")
            return None
        self.check_size(len(value), name, path, "entries", "entry")
        entry = self.shapes[name]["member"]["shape"]
        return [self.visit(inner, entry, f"{path}[{i}]") for i, inner in enumerate(value)]

    def mapping(self, value: object, name: str, path: str) -> Any:
        if not isinstance(value, Mapping):
            self.fail(path, f"{show(value)} is {_kind(value)}; give an object of names and values")
            return None
        self.check_size(len(value), name, path, "entries", "entry")
        shape = self.shapes[name]
        plain = {}
        for key, inner in value.items():
            shown = key.text if isinstance(key, SourceText) else str(key)
            text = self.string(key, shape["key"]["shape"], _join(path, shown))
            plain[text] = self.visit(inner, shape["value"]["shape"], _join(path, shown))
        return plain

    def string(self, value: object, name: str, path: str) -> Any:
        text = self.as_string(value, path)
        if text is None:
            return None
        if "\0" in text or not _is_unicode(text):
            # neither can be passed to a program as an argument, in its environment or in a file
            self.fail(path, f"{show(text)} contains a NUL character or half a surrogate pair; take it out")
            return None
        shape = self.shapes[name]
        if not self.check_size(len(text), name, path, "characters", "character", text):
            return text  # the pattern would fail too, and is never matched against a string of hostile length
        if name in self.overlay.free:
            return text
        values = [*shape["enum"], *self.overlay.further.get(name, ())] if "enum" in shape else []
        if values and text not in values:
            meant = self.overlay.words[name](text) if name in self.overlay.words else None
            if meant is not None:
                return meant
            hint = f"; use one of {', '.join(values)}"
            if len(values) > 10:
                hint = closest(text, values) or f"; it takes one of {len(values)} known names"
            self.fail(path, f"{show(text)} is not known{hint}")
        elif "pattern" in shape and not matches(shape["pattern"], text):
            self.fail(path, _pattern_message(text, shape["pattern"]))
        return text

    def as_string(self, value: object, path: str) -> str | None:
        if isinstance(value, str):
            return value
        scalar = value.value if isinstance(value, SourceText) else value
        if isinstance(scalar, bool | int | float):
            if self.overlay.scalars_as_strings:
                return (
                    value.text
                    if isinstance(value, SourceText)
                    else show(scalar)
                    if _is_huge(scalar)
                    else value_string(scalar)
                )
            self.fail(path, f"{show(value)} is {_kind(scalar)} where a string is required; put it in quotes")
        elif _is_placeholder(value):
            self.fail(
                path,
                f"{show(value)} is an object where a string is required: braces without quotes make one; "
                "put the value that is meant in their place, in quotes",
            )
        else:
            self.fail(path, f"{show(value)} is {_kind(value)}; give a string")
        return None

    def integer(self, value: object, name: str, path: str) -> int | None:
        number = value.value if isinstance(value, SourceText) else value
        if isinstance(number, bool) or not isinstance(number, int):
            fix = "write it without quotes" if _is_integer_string(number) else "give an integer"
            self.fail(path, f"{show(value)} is {_kind(number)} where an integer is required; {fix}")
            return None
        low, high = self.bounds(name, _INTEGERS[self.shapes[name]["type"]])
        if number < low:
            self.fail(path, f"{show(number)} is below the minimum {low}; raise it to {low} or more")
        elif number > high:
            self.fail(path, f"{show(number)} is above the maximum {high}; lower it to {high} or less")
        return number

    def real(self, value: object, path: str) -> float | None:
        number = value.value if isinstance(value, SourceText) else value
        if isinstance(number, bool) or not isinstance(number, int | float):
            self.fail(path, f"{show(value)} is {_kind(number)} where a number is required; give a number")
            return None
        try:
            real = float(number)
        except OverflowError:
            real = math.inf
        if not math.isfinite(real):
            self.fail(path, f"{show(value)} is not a finite number; give one that is")
        return real

    def boolean(self, value: object, path: str) -> bool | None:
        boolean = value.value if isinstance(value, SourceText) else value
        if not isinstance(boolean, bool):
            self.fail(path, f"{show(value)} is {_kind(boolean)}; write true or false, without quotes")
            return None
        return boolean

    def bounds(self, name: str, default: tuple[int, int]) -> tuple[int, int]:
        if name in self.overlay.bounds:
            return self.overlay.bounds[name]
        shape = self.shapes[name]
        return int(shape.get("min", default[0])), int(shape.get("max", default[1]))

    def check_size(
        self, size: int, name: str, path: str, plural: str, singular: str, value: str | None = None
    ) -> bool:
        low, high = self.bounds(name, (0, 2**31 - 1))
        what = "has" if value is None else f"{show(value)} has"
        count = f"{size} {singular if size == 1 else plural}"
        if size < low:
            self.fail(path, f"{what} {count}, fewer than the minimum of {low}; add to it")
        elif size > high:
            fix = "shorten it" if value is not None else "take some out"
            self.fail(path, f"{what} {count}, more than the maximum of {high}; {fix}")
        return low <= size <= high


def _join(path: str, member: str) -> str:
    if len(member) > _LONGEST_MEMBER:  # than any name or key that is allowed
        member = f"{member[:_SHOWN]}..."
    return f"{path}.{member}" if path else member


def _pattern_message(text: str, pattern: str) -> str:
    if pattern in (".*", ".+"):
        return f"{show(text)} contains a line break, which is not allowed here; take it out"
    return f"{show(text)} does not match the required form {pattern}; change it to fit"


_LONGEST_MEMBER = 600


def _is_large(value: object) -> bool:
    """Whether a value has more parts than a message should hold."""
    left = _MOST_PARTS
    stack = [value]
    while stack:
        part = stack.pop()
        if isinstance(part, Mapping):
            left -= len(part)
            stack += list(part.values()) if left >= 0 else []
        elif isinstance(part, list | tuple | set | frozenset):
            left -= len(part)
            stack += part if left >= 0 else []
        elif isinstance(part, str | bytes) and len(part) > _MOST_CHARACTERS:
            left = -1
        if left < 0:
            return True
    return False


_MOST_CHARACTERS = 10_000


class _Word(str):
    """Written in messages as it is, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _spelled(value: object) -> object:
    """A value whose repr has the words of its author. It is not large."""
    match value:
        case SourceText():
            return _Word(value.text if value.text or value.value is not None else "null")
        case Mapping():
            return {_spelled(key): _spelled(inner) for key, inner in value.items()}
        case list():
            return [_spelled(inner) for inner in value]
        case tuple():
            return tuple(_spelled(inner) for inner in value)
    return value


def _is_placeholder(value: object) -> bool:
    """Whether it is what `{ROLE_ARN}` becomes in YAML: an object of one key without a value."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return False
    [inner] = value.values()
    return inner is None or (isinstance(inner, SourceText) and inner.value is None)


def _is_huge(value: object) -> bool:
    return isinstance(value, int) and value.bit_length() > 10_000


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_integer_string(value: object) -> bool:
    return isinstance(value, str) and value.strip().lstrip("+-").isdecimal()


def _kind(value: object) -> str:
    match value:
        case SourceText():
            return _kind(value.value)
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case Mapping():
            return "an object"
        case list() | tuple():
            return "a list"
    return f"a Python {type(value).__name__}"
