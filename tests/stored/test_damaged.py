"""The damage of one job, wherever it lies in its database, is said of that job and of no other."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

import hpt
import hpt.client
from hpt.cli.main import main
from hpt.errors import StorageError
from hpt.running.session import Session
from tests.stored import corpus

VERSION = corpus.VERSIONS[-1]
JOB, OTHER, NOTED = "paused-random", "random", "by-client"

DEEP = "[" * 100_000
VALUES: dict[str, object] = {
    "NULL": None,
    "blob": b"\x00\xff\xfe",
    "negative": -1,
    "huge number": 2**63 - 1,
    "infinity": float("inf"),
    "huge real": 1e300,
    "string": "damage",
    "huge string": "x" * 5_000_000,
    "not UTF-8": b"\xff\xfe\xfa",
}
JSON: dict[str, object] = {
    "empty": "",
    "null": "null",
    "list": "[1, 2]",
    "string": '"x"',
    "NaN": '{"value": NaN, "time": Infinity}',
    "long number": "1" * 5000,
    "long number in an object": '{"time": ' + "1" * 5000 + "}",
    "deep": DEEP,
    "deep member": '{"time": ' + DEEP + "}",
    "cut short": '{"time": 1.0, "number',
}
COLUMNS = {
    "job": ("name", "created", "document"),
    "summary": ("body",),
    "event": ("time", "kind", "body"),
    "owner": ("token", "pid", "identity"),
    "note": ("after", "body"),
}
TABLES = ("job", "summary", "event", "owner", "note")


def without_rules(path: Path) -> sqlite3.Connection:
    """The database with the same tables, whose columns take anything."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("CREATE TABLE IF NOT EXISTS note (seq INTEGER PRIMARY KEY, after, body)")
    for table in TABLES:
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        connection.execute(f"ALTER TABLE {table} RENAME TO former")
        connection.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
        connection.execute(f"INSERT INTO {table} SELECT * FROM former")
        connection.execute("DROP TABLE former")
    return connection


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    state = tmp_path_factory.mktemp("damaged") / "state"
    corpus.build(VERSION, state, [JOB, OTHER, NOTED])
    for name in (JOB, NOTED):
        without_rules(state / name / "job.sqlite").close()
    return state


@pytest.fixture
def state(clean: Path, tmp_path: Path) -> Path:
    shutil.copytree(clean, tmp_path / "state")
    return tmp_path / "state"


def tamper(state: Path, statement: str, *values: object, job: str = JOB) -> None:
    with contextlib.closing(sqlite3.connect(state / job / "job.sqlite", isolation_level=None)) as database:
        database.execute(statement, values)


def check(state: Path, capsys: pytest.CaptureFixture[str], job: str = JOB) -> bool:
    """That every command ends as it may and that other jobs are as they were. True if the job is damaged."""
    capsys.readouterr()
    codes = {}
    for word in ("describe", "trials", "resume" if job == NOTED else "describe"):
        codes[word] = main([word, job, "--state", str(state)])
        said = capsys.readouterr()
        if codes[word] == 4:
            assert said.out == "" and len(said.err) < 2000 and said.err.count("\n") == 1, said
    assert set(codes.values()) <= {0, 2, 4}, codes
    code, listed = corpus.command(state, "list")
    shown = {entry["HyperParameterTuningJobName"].lower(): entry.get("Problem") for entry in listed}
    assert code == 0 and shown[OTHER] is None and job in shown
    assert main(["list", "--state", str(state)]) == 0
    capsys.readouterr()
    if codes["describe"] != 4:
        assert shown[job] is None
    assert corpus.command(state, "describe", OTHER)[1]["HyperParameterTuningJobStatus"] == "Completed"
    return codes["describe"] == 4


@contextlib.contextmanager
def client_of(state: Path) -> Iterator[Any]:
    client = hpt.client.SageMakerClient(state)
    try:
        yield client
    finally:
        client.close()


def check_service(state: Path, job: str = JOB) -> None:
    """That the lists and searches of a service go on, and that it refuses what is damaged."""
    with client_of(state) as client:
        names = {
            each["HyperParameterTuningJobName"].lower()
            for each in client.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
        }
        assert OTHER in names
        training = client.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
        assert any(each["TrainingJobName"].startswith("Random-") for each in training)
        for resource in ("HyperParameterTuningJob", "TrainingJob"):
            assert client.search(Resource=resource)["Results"]
        describe = client.describe_hyper_parameter_tuning_job
        assert describe(HyperParameterTuningJobName=OTHER)["HyperParameterTuningJobStatus"] == "Completed"
        with contextlib.suppress(ClientError):
            describe(HyperParameterTuningJobName=job)


@pytest.mark.slow
@pytest.mark.parametrize("place", [f"{table}.{column}" for table in TABLES for column in COLUMNS[table]])
def test_any_value_in_any_column(state: Path, capsys: pytest.CaptureFixture[str], place: str) -> None:
    table, column = place.split(".")
    job = NOTED if table == "note" else JOB
    where = "" if table in ("job", "summary", "owner") else " WHERE rowid = 2"
    database = state / job / "job.sqlite"
    whole = database.read_bytes()
    is_document = column in ("document", "body")
    for kind, value in {
        **VALUES,
        **({f"JSON {name}": JSON[name] for name in JSON} if is_document else {}),
    }.items():
        new = "CAST(? AS TEXT)" if kind == "not UTF-8" else "?"
        tamper(state, f"UPDATE {table} SET {column} = {new}{where}", value, job=job)
        damaged = check(state, capsys, job)
        if is_document or (column in ("name", "kind", "identity") and kind != "NULL"):
            assert damaged, kind
        if kind in ("NULL", "string", "JSON NaN", "JSON deep"):
            check_service(state, job)
        database.write_bytes(whole)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM {table}",
        "DROP TABLE {table}",
        "INSERT INTO {table} SELECT * FROM {table}",
    ],
)
@pytest.mark.parametrize("table", ["job", "summary", "event", "owner"])
def test_rows_and_tables_that_are_gone_or_there_twice(
    state: Path, capsys: pytest.CaptureFixture[str], table: str, statement: str
) -> None:
    tamper(state, statement.format(table=table))
    damaged = check(state, capsys)
    check_service(state)
    if "INSERT" not in statement or table == "event":
        assert damaged or (table, statement) == ("event", "DELETE FROM {table}")  # then it has not begun


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM event WHERE seq = 3",
        "DELETE FROM event WHERE seq = 1",
        "UPDATE event SET seq = seq + 1",
        "UPDATE event SET seq = 2 WHERE seq = 3",
        "UPDATE event SET seq = -seq",
        "UPDATE event SET seq = NULL WHERE seq = 2",
        "UPDATE event SET seq = 'x' WHERE seq = 2",
        "INSERT INTO event SELECT max(seq) + 2, 1.0, 'ConvergenceDetected', '{\"time\": 1.0}' FROM event",
        "INSERT INTO event SELECT max(seq) + 1, time, kind, body FROM event WHERE kind = 'TrialCreated'",
        "UPDATE event SET body = json_set(body, '$.number', 77) WHERE kind = 'MetricLogged'",
        "UPDATE event SET body = json_set(body, '$.config', json('{}')) WHERE kind = 'TrialCreated'",
        "UPDATE event SET body = json_set(body, '$.definition', 'x', '$.number', 2)"
        " WHERE kind = 'TrialCreated'",
        "UPDATE event SET body = json_set(body, '$.time', 1e30) WHERE seq = 2",
        "UPDATE event SET body = json_set(body, '$.cursor', -5) WHERE kind = 'MetricLogged'",
        "UPDATE event SET body = json_set(body, '$.value', 'high') WHERE kind = 'MetricLogged'",
        "UPDATE event SET body = json_set(body, '$.number', 1.5) WHERE kind = 'AttemptEnded'",
    ],
)
def test_events_that_do_not_fit_each_other(
    state: Path, capsys: pytest.CaptureFixture[str], statement: str
) -> None:
    tamper(state, statement)
    assert check(state, capsys)
    check_service(state)
    with contextlib.closing(Session(state)) as session:
        with pytest.raises(StorageError), session.take(JOB):
            pass
        assert [job.name for job in session.jobs() if job.name == "Random" and job.problem is None]


def test_a_directory_of_another_name(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(state / JOB, state / "copied")
    shutil.copytree(state / JOB, state / "Upper")
    code, listed = corpus.command(state, "list")
    problems = {each["HyperParameterTuningJobName"]: each.get("Problem") for each in listed}
    assert code == 0 and "holds the job 'paused-random'" in problems["copied"]
    assert "rename it to 'upper'" in problems["Upper"]
    assert problems[JOB] is None and problems["Random"] is None
    assert main(["describe", "copied", "--state", str(state)]) == 4
    check_service(state, "copied")


@pytest.mark.parametrize("kind", ["FIFO", "directory", "text", "empty", "loop", "no permission"])
def test_something_else_in_the_place_of_a_database(
    state: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    database = state / JOB / "job.sqlite"
    database.unlink()
    match kind:
        case "FIFO":
            os.mkfifo(database)
        case "directory":
            database.mkdir()
        case "text":
            database.write_text("no database" * 1000)
        case "empty":
            database.touch()
        case "loop":
            database.symlink_to(database)
        case _:
            database.write_bytes(b"\0" * 8192)
    code, listed = corpus.command(state, "list")
    assert code == 0 and OTHER in [each["HyperParameterTuningJobName"].lower() for each in listed]
    assert main(["describe", JOB, "--state", str(state)]) in (2, 4)
    capsys.readouterr()
    check_service(state)


@pytest.mark.parametrize(
    "content",
    [
        "null",
        "[]",
        "{}",
        DEEP,
        '{"created": "x", "identity": 5, "started": "y", "modified": null, "idle": "z"}',
        '{"created": 1.0, "identity": "a/b/c", "started": NaN, "modified": 1e999, "idle": 1e99}',
        '{"created": @, "identity": "x", "started": 1.0, "modified": 1.0, "idle": 0}',
        '{"created": @, "identity": "", "started": 1.0, "modified": 1.0, "idle": 99999999999999999999}',
        "FIFO",
        "directory",
    ],
)
def test_damaged_files_of_a_service(state: Path, content: str) -> None:
    place = state / NOTED / "runner.json"
    place.unlink(missing_ok=True)
    if content == "FIFO":
        os.mkfifo(place)
    elif content == "directory":
        place.mkdir()
    else:
        place.write_text(content.replace("@", str(Session(state).load(NOTED)[1].created)))
    (state / NOTED / "owner.lock").unlink(missing_ok=True)
    os.mkfifo(state / NOTED / "owner.lock")
    check_service(state, NOTED)
    assert corpus.command(state, "list")[0] == 0


def test_other_jobs_are_started_beside_it(state: Path, tmp_path: Path) -> None:
    tamper(state, "UPDATE job SET document = ?", DEEP)
    tamper(state, "UPDATE event SET body = ?", b"\xff", job=NOTED)
    space = hpt.SearchSpace([hpt.ContinuousParameter("x", 0, 1)])
    result = hpt.tune(simple, space, max_jobs=2, name="beside", state=state, seed=1)
    assert result.status == "Completed"
    again = hpt.tune(simple, space, max_jobs=2, name="beside", state=state, seed=1)
    assert [trial.value for trial in again.trials] == [trial.value for trial in result.trials]
    with pytest.raises(StorageError):
        hpt.tune(simple, space, max_jobs=2, name=JOB, state=state, seed=1)
    with pytest.raises(StorageError):
        hpt.tune(simple, space, max_jobs=2, name="child", state=state, seed=1, warm_start=JOB)


def simple(config: dict[str, float], report: object) -> float:
    return config["x"]
