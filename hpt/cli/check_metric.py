"""`hpt check-metric`: what metric definitions read out of a sample log, and which values they truncate or
miss.
"""

from __future__ import annotations

import argparse
import json
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

from hpt.cli.json_output import print_json
from hpt.cli.sample_log import SampleLog, read_sample
from hpt.errors import InputError
from hpt.host.terminal import printable
from hpt.job.config import MetricDefinition
from hpt.job.plural import quantity
from hpt.metrics.cut_numbers import how_to_read_whole
from hpt.metrics.fast.plan import plan_pattern
from hpt.metrics.notes import NoteTaker
from hpt.metrics.pace import Pace

NOTES_SECONDS = 0.3
"""Seconds of CPU time for what is noted about the values and their absence."""

MISS_LINES = 2000
"""The number of lines at the end of the log among which the nearest miss is searched."""

EXAMINED = 100_000
"""The number of lines at the end of the log of which numbers are noted."""

SHOWN = 200
"""Characters of a line that are shown."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `hpt check-metric`."""
    parser.add_argument(
        "log", metavar="LOG", help="a log that the training program wrote, also as .gz; - for standard input"
    )
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
    log = read_sample(options.log, definitions)
    pace = Pace(NOTES_SECONDS, time.thread_time)
    lines = last_lines(log.end)
    reports = [report_on(definition, index, log, lines, pace) for index, definition in enumerate(definitions)]
    if options.json:
        print_json(reports)
    else:
        for report in reports:
            _show(report)
        if log.unread or log.stopped:
            _say("read", _how_much(log))
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


def last_lines(data: bytes) -> list[bytes]:
    """The lines, and the parts of those that are rewritten, of the end of a log."""
    lines = data.replace(b"\r", b"\n").rsplit(b"\n", EXAMINED)
    return [line for line in lines[len(lines) > EXAMINED :] if line]


def report_on(
    definition: MetricDefinition, index: int, log: SampleLog, lines: list[bytes], pace: Pace
) -> dict[str, Any]:
    """What there is to say of a definition, as JSON data.

    Parameters
    ----------
    definition, index
        The definition and its place among all.
    log
        What was read.
    lines
        Those at its end.
    pace
        How long all reports may take.

    Returns
    -------
    dict
        JSON data, but for NaN and infinity.
    """
    values = log.values[index]
    report: dict[str, Any] = {
        "Name": definition.name,
        "Regex": definition.regex,
        "Plan": plan_pattern(definition.regex).describe(),
        "Matches": len(values),
    }
    if slow := log.slow.get(index):
        report["TooSlowLines"] = slow
    if log.unread:
        report["UnreadBytes"] = log.unread
    taker = NoteTaker(definition.regex, pace)
    if not values:
        miss = taker.nearest_miss(lines[-MISS_LINES:])
        if miss is not None:
            report["NearestMiss"] = {"Pattern": miss.pattern, "Line": miss.line[:SHOWN]}
            if miss.read is not None:
                report["GroupReads"] = miss.read[:SHOWN]
        return report
    report |= {"First": values[0], "Last": values[-1]}
    notes = taker.examine(lines)
    if notes.last:
        report["LastLine"] = notes.last[:SHOWN]
    cuts = [
        {"Read": cut.read, "Number": cut.whole, "Line": _around(line, cut.whole)} for cut, line in notes.cuts
    ]
    if cuts:
        report["CutShort"] = cuts[0]
    if cuts[1:]:
        report["AlsoCutShort"] = cuts[1:]
    if notes.missed:
        line = notes.missed_line[:SHOWN]
        report["Missed"] = {"Lines": notes.missed, "Pattern": notes.beginning, "Line": line}
    if notes.other is not None:
        name, whole = notes.other
        report["AnotherMetric"] = {"Name": name, "Read": whole}
    if notes.several is not None:
        several, line = notes.several
        report["SeveralValues"] = {"Values": several[:10], "Line": line[:SHOWN]}
    return report


def _around(line: str, what: str) -> str:
    """The part of a line that is shown, which holds what it is shown for."""
    place = line.find(what)
    begin = 0 if place + len(what) <= SHOWN else place - SHOWN // 2
    return line[begin : begin + SHOWN]


def _show(report: dict[str, Any]) -> None:
    print(printable(f"{report['Name']}  {report['Regex']}", keep=""))
    _say("read by", report["Plan"])
    if slow := report.get("TooSlowLines"):
        _say("note", f"{quantity(slow, 'line')} took too long and gave no value")
        _say("", "the pattern matches in countless ways; write it without nested repeats")
    if not report["Matches"]:
        _say("values", "none")
        _say("nearest", nearest(report))
        return
    _say("values", f"{report['Matches']}, first {report['First']!r}, last {report['Last']!r}")
    for cut in [report["CutShort"], *report.get("AlsoCutShort", ())] if "CutShort" in report else ():
        _say("note", f"the group reads {cut['Read']} of {cut['Number']} in: {cut['Line']}")
        _say("", how_to_read_whole(cut["Read"], cut["Number"]))
    if missed := report.get("Missed"):
        lines = quantity(missed["Lines"], "later line")
        match, give = ("matches", "gives") if missed["Lines"] == 1 else ("match", "give")
        _say("note", f"{lines} {match} but {give} no number, the last: {missed['Line']}")
        _say(
            "", f"they match {missed['Pattern']!r}, and the group takes nothing of what follows for a number"
        )
    if several := report.get("SeveralValues"):
        values = ", ".join(map(repr, several["Values"]))
        _say("note", f"{len(several['Values'])} values on one line, {values}: {several['Line']}")
        _say("", "each is a report, and the last one counts")
    if other := report.get("AnotherMetric"):
        _say("note", f"another metric is read as well: {other['Read']}")
        _say("", f"exclude what stands before the name, as (?<!{other['Name']}) at the beginning does")


def nearest(report: dict[str, Any]) -> str:
    """What comes nearest to a match where there is no value."""
    miss = report.get("NearestMiss")
    if miss is None:
        return "no line matches even the beginning of the pattern"
    if miss["Pattern"] == report["Regex"]:
        read = f", {report['GroupReads']!r}," if report.get("GroupReads") else ""
        return f"matches, but the group{read} is no number, in: {miss['Line']}"
    return f"matches as far as {miss['Pattern']} in: {miss['Line']}"


def _how_much(log: SampleLog) -> str:
    """Which part of a long log was read."""
    if not log.unread:
        return f"{_bytes(log.size)}, after which the log is cut off"
    read = _bytes(log.size - log.unread)
    if log.stopped:
        return f"{read} at the beginning and at the end of the first {_bytes(log.size)}; values are of these"
    return f"{read} at the beginning and at the end of {_bytes(log.size)}; values are of these"


def _bytes(count: int) -> str:
    return quantity(count, "byte") if count < 2**20 else f"{count / 2**20:.0f} MiB"


def _say(label: str, what: str) -> None:
    print(printable(f"  {label:<9} {what}", keep="\t"))
