"""Builds state directories out of what earlier versions stored, and asks the `hpt` command about them.

The corpus of a version is a folder beside this file, named after it. `jobs/NAME.jsonl` holds one tuning job,
a row a line, as README.md says. Rows are written to SQLite as they are, without `hpt`: a job stays what its
version wrote.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from hpt.cli.main import main

HERE = Path(__file__).parent
VERSIONS = ("0.1.0",)
RECORDED_UNDER = "/tmp/hpt-0.1.0"
"""The folder in which the jobs of the corpus were recorded; the real databases name paths below it."""


def names(version: str) -> list[str]:
    """The stored jobs of a version, by the names of their files."""
    return sorted(path.stem for path in (HERE / version / "jobs").glob("*.jsonl"))


def build(version: str, state: Path, jobs: Iterable[str]) -> None:
    """Write stored jobs into a state directory, as that version would have left them there."""
    for name in jobs:
        text = (HERE / version / "jobs" / f"{name}.jsonl").read_text(encoding="utf-8")
        lines = [json.loads(line) for line in _placed(text, version, state).splitlines()]
        rows = [line for line in lines if isinstance(line, dict)]
        events = [line for line in lines if isinstance(line, list)]
        [job] = [row["job"] for row in rows if "job" in row]
        directory = state / job.get("folder", name)
        directory.mkdir(parents=True)
        _write_database(version, directory / "job.sqlite", job.get("journal", "wal"), rows, events)
        for row in rows:
            if "file" in row:
                file = directory / row["file"]
                file.parent.mkdir(parents=True, exist_ok=True)
                content = row["text"].encode() if "text" in row else base64.b64decode(row["base64"])
                file.write_bytes(content)


def place_database(version: str, state: Path, name: str) -> None:
    """Put a database file, as it lay in a state directory, into this one."""
    (state / name).mkdir(parents=True)
    shutil.copy(HERE / version / "databases" / f"{name}.sqlite", state / name / "job.sqlite")


def relocate_database(version: str, state: Path, name: str) -> None:
    """Let a database name the paths of this state directory and of the corpus, so that its job can go on."""
    with contextlib.closing(sqlite3.connect(state / name / "job.sqlite")) as database, database:
        for table, column in (("job", "document"), ("event", "body")):
            for old, new in (
                (f"{RECORDED_UNDER}/programs", HERE / version / "programs"),
                (f"{RECORDED_UNDER}/state", state),
            ):
                database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (old, str(new)))


def _placed(text: str, version: str, state: Path) -> str:
    programs = HERE / version / "programs"
    path = os.pathsep.join([str(programs), *(entry for entry in sys.path if entry)])
    places: dict[str, object] = {
        "STATE": state,
        "PROGRAMS": programs,
        "ROOT": state.parent,
        "PYTHONPATH": path,
        "PYTHON": sys.executable,
        "PACKAGES": HERE.parent.parent,
    }
    for mark, place in places.items():
        text = text.replace(f"@{mark}@", json.dumps(str(place))[1:-1])
    return text


def _write_database(
    version: str,
    path: Path,
    journal: str,
    rows: list[dict[str, Any]],
    events: list[tuple[str, dict[str, Any]]],
) -> None:
    """Rows as version 0.1.0 wrote them: JSON with the separators that it used in each column."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(f"PRAGMA journal_mode = {journal}")
        database.executescript((HERE / version / "schema.sql").read_text(encoding="utf-8"))
        execute = database.execute
        execute("BEGIN")
        for row in rows:
            [(table, value)] = list(row.items())[:1]
            if table == "job":
                document = json.dumps(value["document"])
                execute("INSERT INTO job VALUES (1, ?, ?, ?)", (value["name"], value["created"], document))
            elif table == "summary":
                execute("UPDATE summary SET body = ?", (json.dumps(value, separators=(",", ":")),))
            elif table == "owner":
                execute("UPDATE owner SET token = ?, pid = ?, identity = ?", tuple(value))
            elif table == "control":
                execute("UPDATE control SET stop = ?", (value,))
            elif table == "note":
                execute("INSERT INTO note VALUES (?, ?, ?)", (*value[:2], json.dumps(value[2])))
            elif table == "note table":
                execute(value)
            else:
                assert table == "file", table
        for number, (kind, body) in enumerate(events, 1):
            text = json.dumps(body, separators=(",", ":"))
            execute("INSERT INTO event VALUES (?, ?, ?, ?)", (number, body["time"], kind, text))
        execute("COMMIT")


# -- what this version says of a job


def command(state: Path, *words: str) -> tuple[int, Any]:
    """Exit code and JSON document of an `hpt` command."""
    output = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", output)
        code = main([*words, "--json", "--state", str(state)])
    return code, json.loads(output.getvalue() or "null")


def shown(version: str, state: Path, name: str, *, inside: str = "") -> dict[str, Any]:
    """What `list`, `describe` and `trials` say of a job, without the places where it lies.

    inside: the folder of the state directory that is asked for it, that of deleted jobs for one.
    """
    folder = state / inside
    described = command(folder, "describe", name)[1]
    own = described["HyperParameterTuningJobName"]
    listed = [entry for entry in command(folder, "list")[1] if entry["HyperParameterTuningJobName"] == own]
    found = {
        "list": listed[0],
        "describe": described,
        "trials": command(folder, "trials", name, "--sort", "number")[1],
    }
    return _unplaced(found, version, state)


def resumed(version: str, state: Path, name: str) -> dict[str, Any]:
    """What `resume` and then `trials` say of a job, without places and times."""
    code, described = command(state, "resume", name, "--quiet")
    found = {
        "exit": code,
        "describe": described,
        "trials": command(state, "trials", name, "--sort", "number")[1],
    }
    return _timeless(_unplaced(found, version, state))


def replies(version: str, state: Path, name: str) -> dict[str, Any]:
    """What a boto3 client is answered about a job that has ended, and about its best training job."""
    import hpt.client

    client = hpt.client.SageMakerClient(state)
    tuning = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    arn = tuning["HyperParameterTuningJobArn"]
    found = {
        "DescribeHyperParameterTuningJob": tuning,
        "ListTags": client.list_tags(ResourceArn=arn),
    }
    if "BestTrainingJob" in tuning:
        best = tuning["BestTrainingJob"]["TrainingJobName"]
        found["DescribeTrainingJob"] = client.describe_training_job(TrainingJobName=best)
    client.close()
    return _unplaced(_plain(found), version, state)


def _unplaced(found: Any, version: str, state: Path) -> Any:
    text = json.dumps(found)
    for mark, place in (("STATE", state), ("PROGRAMS", HERE / version / "programs"), ("ROOT", state.parent)):
        text = text.replace(json.dumps(str(place))[1:-1], f"@{mark}@")
    return json.loads(text)


def _timeless(found: Any) -> Any:
    return _each(found, lambda key: key.endswith("Time"))


def _plain(found: Any) -> Any:
    """Times as seconds; without what botocore says of the transport."""
    if isinstance(found, datetime):
        return found.timestamp()
    found = _each(found, lambda key: key == "ResponseMetadata")
    if isinstance(found, dict):
        return {key: _plain(value) for key, value in found.items()}
    return [_plain(value) for value in found] if isinstance(found, list) else found


def _each(found: Any, left_out: Callable[[str], bool]) -> Any:
    if isinstance(found, dict):
        return {key: _each(value, left_out) for key, value in found.items() if not left_out(key)}
    return [_each(value, left_out) for value in found] if isinstance(found, list) else found


# -- what the version that stored it said


def expected(version: str, name: str) -> dict[str, Any]:
    """What the version that stored a job said of it: `list`, `describe`, `trials`; `replies`, `resumed`.

    It wrote NaN and infinity as they are, where this one writes them as strings.
    """
    found: dict[str, Any] = {"trials": []}
    for line in (HERE / version / "expected" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        for key, value in json.loads(line, parse_constant=str).items():
            if key == "trial":
                found["trials"].append(value)
            elif key == "resumed trial":
                found["resumed"].setdefault("trials", []).append(value)
            else:
                found[key] = value
    return found


def assert_holds(expected: Any, found: Any, path: str = "") -> None:
    """All that was said is still said, in the same order; members may have been added since."""
    if isinstance(expected, dict):
        assert isinstance(found, dict), f"{path}: {found!r}"
        for key, value in expected.items():
            assert key in found, f"{path}.{key} is missing; it was {value!r}"
            assert_holds(value, found[key], f"{path}.{key}")
    elif isinstance(expected, list):
        assert isinstance(found, list), f"{path}: {found!r}"
        assert len(found) == len(expected), f"{path}: {len(found)} entries where there were {len(expected)}"
        for i, (old, new) in enumerate(zip(expected, found, strict=True)):
            assert_holds(old, new, f"{path}[{i}]")
    else:
        assert repr(found) == repr(expected), f"{path} is {found!r}; it was {expected!r}"
