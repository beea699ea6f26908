"""The trials of a tuning job as a table: the columns of a data frame and of a CSV file, and for notebooks."""

from __future__ import annotations

import csv
import html as _html
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from hpt.errors import MissingDependencyError
from hpt.host.terminal import printable
from hpt.search.trial import ObjectiveType

if TYPE_CHECKING:
    import pandas as pd

    from hpt.running.result import TrialResult, TuningResult

MOST_SHOWN = 20
"""The trials that a notebook shows of a result."""


class Column(NamedTuple):
    """A column of the table, a value a trial; None where the trial has none.

    kind: `integer`, `number`, `time` (seconds since the epoch), `string` or `any`.
    """

    name: str
    kind: str
    values: Sequence[Any]


def columns(result: TuningResult, *, belief: bool = False) -> list[Column]:
    """The table of all trials, in launch order; `TuningResult.to_dataframe` lists its columns. belief: with
    what the search believes."""
    trials = result.trials
    fixed = [
        Column("number", "integer", [trial.number for trial in trials]),
        Column("name", "string", [trial.name for trial in trials]),
        Column("status", "string", [str(trial.status) for trial in trials]),
        Column("value", "number", [trial.value for trial in trials]),
    ]
    if belief:
        fixed.append(Column("believed", "number", [trial.believed for trial in trials]))
        fixed.append(Column("deviation", "number", [trial.deviation for trial in trials]))
    if any(trial.definition is not None for trial in trials):
        fixed.insert(2, Column("definition", "string", [trial.definition for trial in trials]))
    ending = [
        Column("start", "time", [trial.start for trial in trials]),
        Column("end", "time", [trial.end for trial in trials]),
        Column("duration", "number", [trial.duration for trial in trials]),
        Column("attempts", "integer", [len(trial.attempts) for trial in trials]),
        Column("reports", "integer", [len(trial.reports) for trial in trials]),
        Column("stop_reason", "string", [trial.stop_reason for trial in trials]),
        *_stops(trials),
        Column("failure_reason", "string", [trial.failure_reason for trial in trials]),
        Column("traceback", "string", [trial.traceback for trial in trials]),
    ]
    taken = {column.name for column in (*fixed, *ending)}
    return [*fixed, *_configs(trials, taken), *_metrics(trials), *ending]


def _stops(trials: Sequence[TrialResult]) -> Iterator[Column]:
    """What a stopping rule decided by."""
    verdicts = [trial.stopped_by for trial in trials]
    yield Column("stop_rule", "string", ["" if each is None else each.rule for each in verdicts])
    yield Column("stop_report", "integer", [None if each is None else each.report for each in verdicts])
    yield Column("stop_value", "number", [None if each is None else each.value for each in verdicts])
    yield Column("stop_threshold", "number", [None if each is None else each.threshold for each in verdicts])


def _configs(trials: Sequence[TrialResult], taken: set[str]) -> Iterator[Column]:
    for name in dict.fromkeys(name for trial in trials for name in trial.config):
        values = [trial.config.get(name) for trial in trials]
        kinds = {type(value) for value in values if value is not None}
        kind = {frozenset({int}): "integer", frozenset({float}): "number", frozenset({str}): "string"}.get(
            frozenset(kinds), "any"
        )
        prefixed = name in taken or name.startswith(("config.", "metric."))
        yield Column(f"config.{name}" if prefixed else name, kind, values)


def _metrics(trials: Sequence[TrialResult]) -> Iterator[Column]:
    for name in dict.fromkeys(name for trial in trials for name in trial.metrics):
        yield Column(f"metric.{name}", "number", [trial.metrics.get(name) for trial in trials])


def dataframe(result: TuningResult, *, belief: bool = False) -> pd.DataFrame:
    """The table as a pandas data frame. belief: as `columns`. Raises MissingDependencyError."""
    if find_spec("pandas") is None:
        raise MissingDependencyError("TuningResult.to_dataframe", "dataframe", ["pandas"])
    import pandas as pd

    def series(column: Column) -> Any:
        values = column.values
        match column.kind:
            case "number":
                return pd.Series([float("nan") if v is None else v for v in values], dtype="float64")
            case "integer":
                whole = all(value is not None and abs(value) < 2**63 for value in values)
                return pd.Series(values, dtype="int64" if whole else _nullable(values))
            case "time":
                seconds = [None if value is None else datetime.fromtimestamp(value, UTC) for value in values]
                return pd.Series(seconds, dtype="datetime64[ns, UTC]")
            case "string":
                return pd.Series(values, dtype="object").astype("str" if None not in values else "object")
            case _:
                bools = all(isinstance(value, bool) for value in values)
                return pd.Series(values, dtype="bool" if bools else "object")

    return pd.DataFrame({column.name: series(column) for column in columns(result, belief=belief)})


def _nullable(values: Sequence[Any]) -> str:
    return "Int64" if all(value is None or abs(value) < 2**63 for value in values) else "object"


def write_csv(
    result: TuningResult,
    trials: Sequence[int],
    stream: TextIO,
    *,
    terminal: bool = False,
    belief: bool = False,
) -> None:
    """Write the rows of some trials as CSV: one header, numbers that read back exactly, times in ISO 8601.

    A string with a comma, a quotation mark or the end of a line stands in quotation marks.

    Parameters
    ----------
    result
        The tuning job.
    trials
        The numbers of the trials to write, in their order.
    stream
        Where to.
    terminal
        Whether people read it there: control characters are then written out.
    belief
        As `columns`.
    """
    table = columns(result, belief=belief)
    row_of = {trial.number: row for row, trial in enumerate(result.trials)}
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([_cell(column.name, "string", terminal) for column in table])
    for number in trials:
        row = row_of[number]
        writer.writerow([_cell(column.values[row], column.kind, terminal) for column in table])


def _cell(value: Any, kind: str, terminal: bool) -> str:
    """A value as a string. NUL and lone carriage returns, which readers of CSV trip over, are written out."""
    if value is None:
        return ""
    if kind == "time":
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="microseconds")
    if isinstance(value, float):
        return repr(float(value))
    string = str(value)
    return printable(string) if terminal else printable_ends(string)


def printable_ends(string: str) -> str:
    """The string with what breaks the lines and bytes of a file written out."""
    string = string.replace("\0", r"\x00").replace("\r\n", "\n").replace("\r", r"\r")
    return string.encode("utf-8", "backslashreplace").decode()


def best_first(result: TuningResult) -> list[TrialResult]:
    """The trials by value, the best first; those without one last, in launch order."""
    sign = -1.0 if result.objective == ObjectiveType.MAXIMIZE else 1.0
    return sorted(
        result.trials, key=lambda trial: (trial.value is None, sign * (trial.value or 0.0), trial.number)
    )


def html(result: TuningResult) -> str:
    """The result for a notebook: its line, and a table of the best trials."""
    names = list(dict.fromkeys(name for trial in result.trials for name in trial.config))
    head = "".join(f"<th>{_html.escape(name)}</th>" for name in ["trial", "status", result.metric, *names])
    rows = []
    for trial in best_first(result)[:MOST_SHOWN]:
        cells = [trial.number, trial.status, trial.value, *(trial.config.get(name) for name in names)]
        rows.append("<tr>" + "".join(f"<td>{_html.escape(_shown(cell))}</td>" for cell in cells) + "</tr>")
    more = len(result.trials) - len(rows)
    rest = f"<p>and {more} more; see to_dataframe()</p>" if more > 0 else ""
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f"<p>{_html.escape(repr(result)[1:-1])}</p>{table}{rest}"


def _shown(value: object) -> str:
    if value is None:
        return ""
    string = f"{value:.6g}" if isinstance(value, float) else str(value)
    return string if len(string) <= 60 else string[:59] + "…"
