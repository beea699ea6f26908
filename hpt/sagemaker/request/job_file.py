"""Reads job files: a CreateHyperParameterTuningJob request as JSON, YAML or TOML.

Numbers, booleans and nulls become `SourceText`, which keeps their spelling, so that `MinValue: 0.10` can
reach the training program as `0.10`. A duplicate key in an object is refused.
"""

from __future__ import annotations

import codecs
import datetime as dt
import json
import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpt.errors import InputError
from hpt.sagemaker.request.shapes import SourceText

if TYPE_CHECKING:
    import yaml

MAX_BYTES = 4 * 2**20
MAX_NODES = 100_000
_TAG = "tag:yaml.org,2002:"
_PLAIN = "plain"
_TOML_LINE = re.compile(r"""^\s*(\[|[\w"'.-]+(\s*\.\s*[\w"'-]+)*\s*=)""")
_YAML_NUMBERS: tuple[
    tuple[str, re.Pattern[str]], ...
] = (  # the core schema of YAML 1.2: no, off and 1:30 are strings
    ("null", re.compile(r"~|null|Null|NULL|")),
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE")),
    ("int", re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")),
    ("float", re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")),
    ("float", re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")),
)


def load_job_file(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Path]:
    """The request in a job file, and the absolute folder that its relative paths start from.

    The extension gives the format (`.json`, `.yaml`, `.yml`, `.toml`); for others, the content does.

    Raises:
        InputError: the file cannot be read or parsed; the message gives file, line and column.
    """
    file = Path(path)
    text = _read(file)
    if not text.strip():
        raise InputError(f"{file} is empty; write a tuning job request into it")
    read = {".json": _json, ".yaml": _yaml, ".yml": _yaml, ".toml": _toml}.get(file.suffix.lower()) or _sniff(
        text
    )
    try:
        request = read(text, str(file))
    except RecursionError:
        raise InputError(f"{file} is nested too deeply to be a tuning job request; flatten it") from None
    if not isinstance(request, dict):
        raise InputError(f"{file} is not an object at its top level; write HyperParameterTuningJobName: ...")
    try:
        return request, file.absolute().parent
    except FileNotFoundError:
        raise InputError(
            f"{file} is relative to the working directory, which was deleted; go to another folder, or give "
            "an absolute path"
        ) from None


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise InputError(f"job file {file} does not exist; correct the path") from None
    except IsADirectoryError:
        raise InputError(f"{file} is a folder; name the job file in it") from None
    except OSError as error:
        raise InputError(f"job file {file} cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise InputError(
            f"{file} is larger than {MAX_BYTES // 2**20} MiB; write a job file in JSON, YAML or TOML"
        )
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        name = encoding.upper().removesuffix("-SIG")
        raise InputError(f"{file}:{line}: not valid {name} ({error.reason}); save it as UTF-8") from None
    if "\0" in text:
        raise InputError(f"{file} is a binary file; write a job file in JSON, YAML or TOML")
    return text


def _sniff(text: str) -> Callable[[str, str], Any]:
    if text.lstrip().startswith("{"):
        return _json
    lines = (line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    return _toml if _TOML_LINE.match(next(lines, "")) else _yaml


def _integer(file: str, text: str, digits: str, base: int = 10) -> SourceText:
    try:
        return SourceText(text, int(digits, base))
    except ValueError as error:  # more digits than Python converts
        raise InputError(
            f"{file}: a number of {len(text)} digits ({text[:20]}...) is too long; shorten it"
        ) from error


def _json(text: str, file: str) -> Any:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in items:
            if key in result:
                raise InputError(f"{file}: duplicate key {key!r} in an object{_lines(text, key)}; remove one")
            result[key] = value
        return result

    def constant(word: str) -> None:
        raise InputError(f"{file}: {word} is not JSON{_lines(text, word, quoted=False)}; write a number")

    try:
        plain = json.loads(
            text,
            object_pairs_hook=pairs,
            parse_int=lambda digits: _integer(file, digits, digits),
            parse_float=lambda digits: SourceText(digits, float(digits)),
            parse_constant=constant,
        )
    except json.JSONDecodeError as error:
        raise InputError(f"{file}:{error.lineno}:{error.colno}: not valid JSON: {error.msg}") from None
    return _with_source(plain)


def _lines(text: str, word: str, quoted: bool = True) -> str:
    """` (lines 3, 7)`: the lines of a key or word in a JSON document."""
    pattern = rf"{re.escape(json.dumps(word))}\s*:" if quoted else rf"(?<![\w\"]){re.escape(word)}(?![\w\"])"
    lines = sorted({text.count("\n", 0, match.start()) + 1 for match in re.finditer(pattern, text)})
    if not lines:
        return ""
    return f" (line{'s' * (len(lines) > 1)} {', '.join(map(str, lines))})"


def _with_source(value: Any) -> Any:
    """The words `true`, `false` and `null`, for which the JSON reader has no hook, as `SourceText`."""
    if isinstance(value, dict):
        return {key: _with_source(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_source(inner) for inner in value]
    if value is None or isinstance(value, bool):
        return SourceText(json.dumps(value), value)
    return value


def _toml(text: str, file: str) -> Any:
    try:
        plain = tomllib.loads(text, parse_float=lambda digits: SourceText(digits, float(digits)))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{file}: not valid TOML: {error}") from None
    except ValueError as error:
        raise InputError(
            f"{file}: a number is too long or a date is invalid ({error}); shorten or quote it"
        ) from None
    return _from_toml(plain, file)


def _from_toml(value: Any, file: str) -> Any:
    """TOML data with `SourceText`; the reader does not keep the spelling of integers, so they become plain
    digits.
    """
    match value:
        case dict():
            return {key: _from_toml(inner, file) for key, inner in value.items()}
        case list():
            return [_from_toml(inner, file) for inner in value]
        case bool():
            return SourceText(json.dumps(value), value)
        case int():
            return SourceText(str(value), value)
        case dt.date() | dt.time():
            raise InputError(f"{file}: {value} is a date or time, which no member takes; put it in quotes")
    return value


def _yaml(text: str, file: str) -> Any:
    import yaml

    class Loader(yaml.BaseLoader):
        """Marks scalars written plainly, without quotes or a tag: the only ones that can be numbers."""

        def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> Any:
            if kind is yaml.ScalarNode and implicit[0]:
                return _PLAIN
            return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]

    try:
        node = yaml.compose(text, Loader=Loader)
        return _Nodes(file).plain(node, ()) if node is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark is not None else ""
        raise InputError(f"{file}{where}: not valid YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{file}: not valid YAML: {' '.join(str(error).split())}") from None


class _Nodes:
    """Converts YAML nodes to plain data and counts them, with aliases counted at each use."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.count = 0

    def fail(self, node: yaml.Node, message: str) -> InputError:
        return InputError(f"{self.file}:{node.start_mark.line + 1}:{node.start_mark.column + 1}: {message}")

    def plain(self, node: yaml.Node, above: tuple[int, ...]) -> Any:
        import yaml

        self.count += 1
        if self.count > MAX_NODES:
            raise self.fail(node, f"aliases unfold to more than {MAX_NODES} values; write fewer")
        if id(node) in above:
            raise self.fail(node, "an alias contains itself; write the value out")
        inside = (*above, id(node))
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, inside)
        if isinstance(node, yaml.SequenceNode):
            self.check_tag(node, "seq")
            return [self.plain(entry, inside) for entry in node.value]
        return self.scalar(node)

    def mapping(self, node: yaml.MappingNode, inside: tuple[int, ...]) -> dict[str, Any]:
        import yaml

        self.check_tag(node, "map")
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self.fail(key_node, "a key is a list or an object; use a string")
            key = key_node.value
            if key in result:
                raise self.fail(key_node, f"duplicate key {key!r} in an object; remove one")
            result[key] = self.plain(value_node, inside)
        return result

    def scalar(self, node: yaml.Node) -> Any:
        text: str = node.value
        kind = next((name for name, pattern in _YAML_NUMBERS if pattern.fullmatch(text)), "str")
        if node.tag == _PLAIN:
            wanted = kind
        else:
            wanted = node.tag.removeprefix(_TAG)
            if wanted not in ("str", kind):
                raise self.fail(node, f"{text!r} does not fit the tag {node.tag}; remove the tag")
        return text if wanted == "str" else _yaml_value(self.file, wanted, text)

    def check_tag(self, node: yaml.Node, wanted: str) -> None:
        if node.tag != f"{_TAG}{wanted}":
            raise self.fail(node, f"the tag {node.tag} is not known; remove it")


def _yaml_value(file: str, kind: str, text: str) -> SourceText:
    match kind:
        case "null":
            return SourceText(text, None)
        case "bool":
            return SourceText(text, text.lower() == "true")
        case "int":
            base = {"0o": 8, "0x": 16}.get(text[:2], 10)
            return _integer(file, text, text if base == 10 else text[2:], base)
    word = text.lower().replace(".inf", "inf").replace(".nan", "nan")
    return SourceText(text, float(word))
