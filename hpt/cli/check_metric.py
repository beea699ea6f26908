"""`hpt check-metric`: what metric definitions read out of a sample log, and which values they truncate or
miss.
"""

from __future__ import annotations

import argparse
import json
import re
from argparse import Namespace
from pathlib import Path
from typing import Any

from hpt.errors import InputError
from hpt.job.config import MetricDefinition
from hpt.metrics.definitions import CompiledDefinitions
from hpt.metrics.fast.plan import plan_pattern
from hpt.metrics.line import TAB_AS_TEXT, decode, number
from hpt.metrics.safe.cost import INSTANT, search_cost
from hpt.metrics.scanner import MetricScanner

CHUNK = 1 << 20
MISS_LINES = 2000
"""The number of lines at the end of the log in which misses and truncated numbers are searched."""

_NUMBER = re.compile(r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `hpt check-metric`."""
    parser.add_argument("log", metavar="LOG", help="a log that the training program wrote")
    parser.add_argument(
        "--definitions",
        metavar="FILE",
        help="a job file, or a JSON file with a list of {Name, Regex}, whose metric definitions are tried",
    )
    parser.add_argument(
        "--metric",
        metavar="NAME=REGEX",
        action="append",
        default=[],
        help="a definition to try; may be repeated",
    )


def run(options: Namespace) -> int:
    """Try the definitions on the log. The exit code: 0 if each of them read a value, else 1."""
    definitions = _definitions(options)
    path = Path(options.log)
    scanned = _scan(definitions, path)
    reports = [
        _report(definition, values, path) for definition, values in zip(definitions, scanned, strict=True)
    ]
    if options.json:
        print(json.dumps(reports, indent=2, ensure_ascii=False))
    else:
        for report in reports:
            _show(report)
    return 0 if all(report["Matches"] for report in reports) else 1


def _definitions(options: Namespace) -> list[MetricDefinition]:
    definitions = []
    for argument in options.metric:
        name, equals, regex = argument.partition("=")
        if not equals:
            raise InputError(f"--metric {argument!r} is not NAME=REGEX, such as 'loss=loss: (\\S+)'")
        definitions.append(MetricDefinition(name, regex))
    if options.definitions is not None:
        definitions += _from_file(Path(options.definitions))
    if not definitions:
        raise InputError("no metric definition is given; give --definitions FILE or --metric NAME=REGEX")
    return definitions


def _from_file(path: Path) -> list[MetricDefinition]:
    """The definitions of a job file, a built-in algorithm's included, or of a bare list."""
    from hpt.sagemaker.request.job_file import load_job_file
    from hpt.sagemaker.request.parse import parse_request

    try:
        bare = json.loads(path.read_text(encoding="utf-8")) if path.suffix == ".json" else None
    except (OSError, ValueError):
        bare = None  # load_job_file reports the error
    if isinstance(bare, list):
        if not all(isinstance(entry, dict) and {"Name", "Regex"} <= entry.keys() for entry in bare):
            raise InputError(f"{path}: every entry of the list must be an object with Name and Regex")
        return [MetricDefinition(entry["Name"], entry["Regex"]) for entry in bare]
    request, base = load_job_file(path)
    config = parse_request(request, base_dir=base, check_paths=False, extended=True)
    metrics = [metric for each in config.all_definitions for metric in each.metric_definitions]
    return list(dict.fromkeys(metrics))


def _scan(definitions: list[MetricDefinition], path: Path) -> list[list[float]]:
    """The values each definition reads, in order."""
    scanner = MetricScanner(CompiledDefinitions(definitions))
    values: list[list[float]] = [[] for _ in definitions]
    try:
        with path.open("rb") as log:
            while data := log.read(CHUNK):
                for index, value, _ in scanner.feed(data):
                    values[index].append(value)
    except OSError as error:
        raise InputError(f"the log {path} cannot be read: {error.strerror}; give a file") from error
    for index, value, _ in scanner.finish():
        values[index].append(value)
    return values


def _report(definition: MetricDefinition, values: list[float], path: Path) -> dict[str, Any]:
    report: dict[str, Any] = {
        "Name": definition.name,
        "Regex": definition.regex,
        "Plan": plan_pattern(definition.regex).describe(),
        "Matches": len(values),
    }
    if values:
        report |= {"First": values[0], "Last": values[-1]}
        cut = cut_short(definition.regex, path)
        return report if cut is None else report | {"CutShort": dict(zip(_CUT, cut, strict=True))}
    miss = nearest_miss(definition.regex, path)
    return report if miss is None else report | {"NearestMiss": {"Pattern": miss[0], "Line": miss[1]}}


def nearest_miss(regex: str, path: Path) -> tuple[str, str] | None:
    """The longest beginning of the pattern that matches some line of the log, and that line.

    None if not even its first character matches. If the whole pattern matches but yields no number, it is the
    whole pattern.
    """
    lines = _last_lines(path)
    for end in range(len(regex), 0, -1):
        try:
            beginning = re.compile(regex[:end])
        except re.error:
            continue
        if beginning.match("") is not None and end < len(regex):
            return None  # from here on it matches anything
        for line in reversed(lines):
            if beginning.search(line) or beginning.search(line.replace("\t", TAB_AS_TEXT)):
                return regex[:end], line[:200]
    return None


_CUT = "Read", "Number", "Line"


def cut_short(regex: str, path: Path) -> tuple[str, str, str] | None:
    """The last truncated number in the log: what the group reads of it (4.41 of 4.41e-06), the number, the
    line. None if no number is truncated.
    """
    pattern, cost = re.compile(regex), search_cost(regex)
    for line in reversed(_last_lines(path)):
        candidates = dict.fromkeys([line, line.replace("\t", TAB_AS_TEXT)])
        for text in candidates:
            if cost.steps(text.encode("utf-8", "surrogateescape")) > INSTANT:
                continue  # `re` would be too slow
            for match in pattern.finditer(text):
                whole = _NUMBER.match(text, match.start(1)) if match[1] else None
                value = number(match[1])
                if whole and value is not None and value != number(whole[0]):
                    return match[1], whole[0], line[:200]
    return None


def _last_lines(path: Path) -> list[str]:
    return decode(path.read_bytes()).splitlines()[-MISS_LINES:]


def _show(report: dict[str, Any]) -> None:
    print(f"{report['Name']}  {report['Regex']}")
    print(f"  read by   {report['Plan']}")
    if report["Matches"]:
        print(f"  values    {report['Matches']}, first {report['First']!r}, last {report['Last']!r}")
        if cut := report.get("CutShort"):
            print(f"  note      the group reads {cut['Read']} of {cut['Number']} in: {cut['Line']}")
            print("            let it take signs and exponents, as ([-+0-9.eE]+) does")
        return
    print("  values    none")
    miss = report.get("NearestMiss")
    if miss is None:
        print("  nearest   no line matches even the beginning of the pattern")
    elif miss["Pattern"] == report["Regex"]:
        print(f"  nearest   matches, but the group is no number, in: {miss['Line']}")
    else:
        print(f"  nearest   matches as far as {miss['Pattern']} in: {miss['Line']}")
