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
from typing import Any

from hpt.errors import InputError
from hpt.sagemaker.request.shapes import SourceText, show
from hpt.sagemaker.request.source import MAX_BYTES, MAX_DEPTH, Budget, check_marks, integer, too_deep
from hpt.sagemaker.request.yaml_file import read_yaml

__all__ = ["MAX_BYTES", "load_job_file"]

_TOML_LINE = re.compile(r"""\s*+(\[|[\w"'. \t-]++=)""")
_TOML_MARKS = "=", ",", ".", "[", "{", "\n", "\\"
"""Each costs the reader of TOML a step or more, wherever it stands."""
_TOML_KEY = re.compile(
    r"""(?<![\w"'-])(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
    rf"""(?:[ \t]*+\.[ \t]*+(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')){{{MAX_DEPTH}}}"""
)
_LONGEST = 1000
"""Characters of a message; what it quotes from a file may be as long as the file."""
_MOST_LINES = 5


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
    read = {".json": _json, ".yaml": read_yaml, ".yml": read_yaml, ".toml": _toml}.get(
        file.suffix.lower()
    ) or _sniff(text)
    try:
        request = read(text, str(file))
    except RecursionError:
        raise too_deep(str(file)) from None
    except InputError as error:
        if len(str(error)) > len(str(file)) + _LONGEST:
            raise InputError(f"{str(error)[: len(str(file)) + _LONGEST]}...") from None
        raise
    if not isinstance(request, dict):
        raise InputError(f"{file} is not an object at its top level; write HyperParameterTuningJobName: ...")
    try:
        return request, file.absolute().parent
    except FileNotFoundError:
        raise InputError(
            f"{file} starts at the working directory, which was deleted; go to another folder, or give "
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
    return _toml if _TOML_LINE.match(next(lines, "")) else read_yaml


def _json(text: str, file: str) -> Any:
    check_marks(text, (",", "[", "{"), file)
    budget = Budget(file)

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        budget.take(len(items))
        for key, value in items:
            if key in result:
                raise InputError(
                    f"{file}: duplicate key {show(key)} in an object{_lines(text, key)}; remove one"
                )
            result[key] = value
        return result

    def constant(word: str) -> None:
        raise InputError(f"{file}: {word} is not JSON{_lines(text, word, quoted=False)}; write a number")

    def whole(digits: str) -> SourceText:
        budget.take()
        return integer(file, digits, digits)

    def real(digits: str) -> SourceText:
        budget.take()
        return SourceText(digits, float(digits))

    try:
        plain = json.loads(
            text,
            object_pairs_hook=pairs,
            parse_int=whole,
            parse_float=real,
            parse_constant=constant,
        )
    except json.JSONDecodeError as error:
        raise InputError(f"{file}:{error.lineno}:{error.colno}: not valid JSON: {error.msg}") from None
    return _with_source(plain, Budget(file))


def _lines(text: str, word: str, quoted: bool = True) -> str:
    """` (lines 3, 7)`: the lines of a key or word in a JSON document."""
    if len(word) > _LONGEST:
        return ""
    pattern = rf"{re.escape(json.dumps(word))}\s*:" if quoted else rf"(?<![\w\"]){re.escape(word)}(?![\w\"])"
    lines: list[int] = []
    line = end = more = 0
    for match in re.finditer(pattern, text):
        line += text.count("\n", end, match.start())
        end = match.start()
        if len(lines) < _MOST_LINES and line + 1 not in lines:
            lines.append(line + 1)
        elif line + 1 != lines[-1]:
            more += 1
    if not lines:
        return ""
    shown = ", ".join(map(str, lines)) + (f" and {more} more" if more else "")
    return f" (line{'s' * (len(lines) > 1)} {shown})"


def _with_source(value: Any, budget: Budget) -> Any:
    """The words `true`, `false` and `null`, for which the JSON reader has no hook, as `SourceText`."""
    budget.take()
    if isinstance(value, dict):
        return {key: _with_source(inner, budget) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_source(inner, budget) for inner in value]
    if value is None or isinstance(value, bool):
        return SourceText(json.dumps(value), value)
    return value


def _toml(text: str, file: str) -> Any:
    check_marks(text, _TOML_MARKS, file)
    if (deep := _TOML_KEY.search(text)) is not None:
        line = text.count("\n", 0, deep.start()) + 1
        raise InputError(f"{file}:{line}: a key has more than {MAX_DEPTH} parts; write fewer")
    try:
        plain = tomllib.loads(text, parse_float=lambda digits: SourceText(digits, float(digits)))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{file}: not valid TOML: {error}") from None
    except ValueError as error:  # of the reader, or of Python, which converts numbers of some thousand digits
        raise InputError(
            f"{file}: a number is too long or a date is invalid ({error}); shorten or quote it"
        ) from None
    try:
        return _from_toml(plain, file)
    except InputError:
        raise
    except ValueError:
        raise InputError(f"{file}: an integer has thousands of digits; shorten it") from None


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
