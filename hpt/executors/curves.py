"""Learning curves from files, for simulated training jobs.

    .json  a list of {"hyperparameters": {...}, "values": [...], "seconds": 1.5 or [...]}
    .csv   one value a row: a column for each hyperparameter, `step`, `value`, and perhaps `seconds`
    .py    a function `curve(hyperparameters)` that returns the values, or (values, seconds)

A table answers with the curve of the nearest of its configurations. `seconds` is how long each value takes;
without it, one second.
"""

from __future__ import annotations

import csv
import json
import runpy
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hpt.errors import InputError
from hpt.executors.simulated import Curve, Curves
from hpt.search.space import SearchSpace
from hpt.search.trial import Config

FUNCTION = "curve"


def load_curves(path: Path, space: SearchSpace) -> Curves:
    """The curves that a file holds, for configurations of `space`.

    Raises:
        InputError: the file cannot be read, or holds no curves of this space.
    """
    kinds: dict[str, Callable[[Path, SearchSpace], Curves]] = {
        ".json": _from_json,
        ".csv": _from_csv,
        ".py": _from_program,
    }
    if path.suffix.lower() not in kinds:
        raise InputError(f"{path} is no file of curves; use one that ends in {', '.join(kinds)}")
    try:
        return kinds[path.suffix.lower()](path, space)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; check the name") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8: {error}; save it as UTF-8") from error


class CurveTable:
    """The curves of some configurations; any other gets that of the nearest, the earlier of equals.

    Distance is Euclidean in scaled coordinates, in which each range has length 1, and so has the step from
    one category to another.
    """

    def __init__(self, space: SearchSpace, entries: Iterable[tuple[Config, Curve]]) -> None:
        configs, curves = [], []
        for config, curve in entries:
            configs.append(config)
            curves.append(curve)
        if not configs:
            raise InputError("the table of curves is empty; give one curve or more")
        self._space, self._curves = space, curves
        self._X = space.encode(configs)  # (n, d)
        self._categorical = np.array(
            [coordinate.kind == "categorical" for coordinate in space.coordinates]
        )  # (d,)

    def __call__(self, config: Config) -> Curve:
        difference = np.abs(self._X - self._space.encode([config]))  # (n, d)
        difference[:, self._categorical] = difference[:, self._categorical] != 0
        return self._curves[int(np.argmin((difference**2).sum(axis=1)))]


def _from_json(path: Path, space: SearchSpace) -> Curves:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is not JSON: {error}; fix it") from error
    if not isinstance(entries, list):
        raise InputError(f"{path} holds no list; write a list of curves")
    return CurveTable(space, (_entry(path, i, entry, space) for i, entry in enumerate(entries)))


def _entry(path: Path, i: int, entry: Any, space: SearchSpace) -> tuple[Config, Curve]:
    where = f"{path}: curve {i + 1}"
    if not isinstance(entry, Mapping) or not isinstance(entry.get("hyperparameters"), Mapping):
        raise InputError(f"{where} has no hyperparameters; give them as an object")
    return _config(where, entry["hyperparameters"], space), _curve(
        where, entry.get("values"), entry.get("seconds", 1.0)
    )


def _from_csv(path: Path, space: SearchSpace) -> Curves:
    rows: dict[tuple[str, ...], list[tuple[float, float, float]]] = {}
    names = [parameter.name for parameter in space.parameters]
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = {*names, "step", "value"} - set(reader.fieldnames or ())
        if missing:
            raise InputError(f"{path} has no column {', '.join(sorted(missing))}; add it to the first line")
        for row in reader:
            try:
                entry = float(row["step"]), float(row["value"]), float(row.get("seconds") or 1.0)
            except (TypeError, ValueError) as error:
                raise InputError(f"{path}, line {reader.line_num}: {error}; give numbers") from error
            rows.setdefault(tuple(row[name] or "" for name in names), []).append(entry)
    entries = []
    for strings, steps in rows.items():
        steps.sort(key=lambda entry: entry[0])
        config = _config(str(path), dict(zip(names, strings, strict=True)), space)
        entries.append(
            (config, Curve([value for _, value, _ in steps], [seconds for _, _, seconds in steps]))
        )
    return CurveTable(space, entries)


def _from_program(path: Path, space: SearchSpace) -> Curves:
    path.read_bytes()  # a missing file and one that fails have different messages
    try:
        function = runpy.run_path(str(path)).get(FUNCTION)
    except Exception as error:
        raise InputError(f"{path} fails with {type(error).__name__}: {error}; fix it") from error
    if not callable(function):
        raise InputError(f"{path} defines no function {FUNCTION}(hyperparameters); add it")

    def curve(config: Config) -> Curve:
        try:
            answer = function(dict(config))
        except Exception as error:
            raise InputError(
                f"{path}: {FUNCTION}({dict(config)!r}) fails with {type(error).__name__}: {error}; fix it"
            ) from error
        values, seconds = answer if isinstance(answer, tuple) and len(answer) == 2 else (answer, 1.0)
        return _curve(f"{path}: {FUNCTION}({dict(config)!r})", values, seconds)

    return curve


def _config(where: str, given: Mapping[str, object], space: SearchSpace) -> Config:
    names = {parameter.name for parameter in space.parameters}
    try:
        return space.parse({name: str(value) for name, value in given.items() if name in names})
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _curve(where: str, values: Any, seconds: Any) -> Curve:
    """A curve of whatever numbers were given, in a list, a tuple or an array."""
    try:
        if isinstance(values, str) or not np.iterable(values):
            raise TypeError("there is no list of values")
        plain: Sequence[float] = [float(value) for value in values]
        durations = [float(value) for value in seconds] if np.iterable(seconds) else float(seconds)
        return Curve(plain, durations)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: {error}; give values and seconds as numbers") from error
