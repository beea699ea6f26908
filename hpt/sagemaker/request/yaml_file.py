"""Reads YAML 1.2 (the core schema: no, off and 1:30 are strings) as plain data with `SourceText`.

The data is built from the parser's events, one at a time, so that a file which nests or repeats too much is
refused before anything is built of it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from hpt.errors import InputError
from hpt.sagemaker.request.shapes import SourceText, show
from hpt.sagemaker.request.source import MAX_DEPTH, Budget, integer, too_deep

if TYPE_CHECKING:
    import yaml

_TAG = "tag:yaml.org,2002:"
_SMALL = 1 << 15
"""Characters of a file that the parser in Python reads in no time. Its messages are better than those of the
one in C, which larger files need.
"""

_NUMBERS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("null", re.compile(r"~|null|Null|NULL|")),
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE")),
    ("int", re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")),
    ("float", re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")),
    ("float", re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")),
)


def read_yaml(text: str, file: str) -> Any:
    """The data of a YAML document, None of an empty one.

    Raises:
        InputError: it is not valid, or not the data of a job file; the message gives line and column.
    """
    import yaml

    parser = yaml.BaseLoader
    if len(text) > _SMALL:
        parser = getattr(yaml, "CBaseLoader", parser)
    try:
        return _Builder(file).build(yaml.parse(text, Loader=parser))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark is not None else ""
        raise InputError(f"{file}{where}: not valid YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{file}: not valid YAML: {' '.join(str(error).split())}") from None


class _Anchored(NamedTuple):
    """What an anchor names. size: the number of its values."""

    value: Any
    size: int


class _Open:
    """A list or object whose entries are being read. key: the one whose value comes next."""

    def __init__(self, value: list[Any] | dict[str, Any], event: yaml.Event, first: int) -> None:
        self.value, self.event, self.first = value, event, first
        self.key: str | None = None


class _Builder:
    """Builds the data of one document from the parser's events."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._budget = Budget(file, " (an alias counts as what it stands for)")
        self._count = 0
        self._stack: list[_Open] = []
        self._anchors: dict[str, _Anchored | None] = {}  # None: its value is still being read
        self._result: Any = None

    def build(self, events: Any) -> Any:
        import yaml

        documents = 0
        for event in events:
            match event:
                case yaml.DocumentStartEvent():
                    documents += 1
                    if documents > 1:
                        raise self._fail(event, "not valid YAML: but found another document")
                case yaml.AliasEvent():
                    self._alias(event)
                case yaml.ScalarEvent():
                    self._scalar(event)
                case yaml.SequenceStartEvent():
                    self._start(event, [], "seq")
                case yaml.MappingStartEvent():
                    self._start(event, {}, "map")
                case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                    self._end()
                case _:
                    pass
        return self._result

    def _fail(self, event: yaml.Event, message: str) -> InputError:
        return InputError(f"{self._file}{_place(event)}: {message}")

    def _start(self, event: Any, value: list[Any] | dict[str, Any], kind: str) -> None:
        if self._expects_key():
            raise self._fail(event, "a key is a list or an object; use a string")
        if len(self._stack) >= MAX_DEPTH:
            raise too_deep(self._file)
        if event.tag not in (None, "!", f"{_TAG}{kind}"):
            raise self._fail(event, f"the tag {show(event.tag)[1:-1]} is not known; remove it")
        self._announce(event)
        self._take(event)
        self._stack.append(_Open(value, event, self._count))

    def _end(self) -> None:
        opened = self._stack.pop()
        self._name(opened.event, opened.value, 1 + self._count - opened.first)
        self._put(opened.value)

    def _scalar(self, event: Any) -> None:
        if self._expects_key():
            opened = self._stack[-1]
            assert isinstance(opened.value, dict)
            if event.value in opened.value:
                raise self._fail(event, f"duplicate key {show(event.value)} in an object; remove one")
            self._announce(event)
            self._name(event, event.value, 1)
            opened.key = event.value
            return
        self._announce(event)
        self._take(event)
        value = self._value(event)
        self._name(event, value, 1)
        self._put(value)

    def _value(self, event: Any) -> Any:
        text: str = event.value
        kind = next((name for name, pattern in _NUMBERS if pattern.fullmatch(text)), "str")
        if event.tag is None or event.tag == "!":
            wanted = kind if event.implicit[0] else "str"  # in quotes it is a string
        else:
            wanted = event.tag.removeprefix(_TAG)
            if wanted not in ("str", kind):
                tag = show(event.tag)[1:-1]
                raise self._fail(event, f"{show(text)} does not fit the tag {tag}; remove the tag")
        return text if wanted == "str" else _number(self._file, wanted, text)

    def _alias(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            raise self._fail(event, f"not valid YAML: found undefined alias {show(event.anchor)}")
        anchored = self._anchors[event.anchor]
        if anchored is None:
            raise self._fail(event, "an alias contains itself; write the value out")
        if self._expects_key():
            if not isinstance(anchored.value, str):
                raise self._fail(event, "a key is a list or an object; use a string")
            self._stack[-1].key = anchored.value
            return
        self._count += anchored.size
        self._budget.take(anchored.size, _place(event))
        self._put(anchored.value)

    def _take(self, event: yaml.Event) -> None:
        self._count += 1
        self._budget.take(1, _place(event))

    def _announce(self, event: Any) -> None:
        if event.anchor is not None:
            if event.anchor in self._anchors:
                raise self._fail(event, f"not valid YAML: found duplicate anchor {show(event.anchor)}")
            self._anchors[event.anchor] = None

    def _name(self, event: Any, value: Any, size: int) -> None:
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(value, size)

    def _expects_key(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1].value, dict) and self._stack[-1].key is None

    def _put(self, value: Any) -> None:
        if not self._stack:
            self._result = value
            return
        opened = self._stack[-1]
        if isinstance(opened.value, list):
            opened.value.append(value)
        else:
            assert opened.key is not None
            opened.value[opened.key] = value
            opened.key = None


def _place(event: yaml.Event) -> str:
    mark = event.start_mark
    return "" if mark is None else f":{mark.line + 1}:{mark.column + 1}"


def _number(file: str, kind: str, text: str) -> SourceText:
    match kind:
        case "null":
            return SourceText(text, None)
        case "bool":
            return SourceText(text, text.lower() == "true")
        case "int":
            base = {"0o": 8, "0x": 16}.get(text[:2], 10)
            return integer(file, text, text if base == 10 else text[2:], base)
    word = text.lower().replace(".inf", "inf").replace(".nan", "nan")
    return SourceText(text, float(word))
