"""A job that a newer version wrote to is refused in one line, and every other job stays usable."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

import hpt.client
from hpt.cli.main import main
from tests.stored import corpus

NEWER = "written by a newer hpt, upgrade"
VERSION = corpus.VERSIONS[-1]
JOB, OTHER = "paused-random", "random"

EVENT = "UPDATE event SET body = json_set(body, ?, ?) WHERE seq = (SELECT max(seq) FROM event WHERE kind = ?)"
KIND = "INSERT INTO event SELECT max(seq) + 1, 1.0, ?, '{}' FROM event"
DOCUMENT = "UPDATE job SET document = json_set(document, ?, json(?))"
SUMMARY = "UPDATE summary SET body = json_set(body, ?, ?)"

TAMPERED = {
    "event field": (EVENT, "$.gpu", 1, "MetricLogged"),
    "event field of an early event": ("UPDATE event SET body = json_set(body, '$.gpu', 1) WHERE seq = 1",),
    "event kind": (KIND, "Teleported"),
    "event version": (EVENT, "$.v", 2, "AttemptCreated"),
    "event value": (EVENT, "$.outcome", "Migrated", "AttemptEnded"),
    "format": (DOCUMENT, "$.format", "2"),
    "document": (DOCUMENT, "$.scheduler", '"fair"'),
    "limits": (DOCUMENT, "$.limits.max_cost", "3"),
    "definition": (DOCUMENT, "$.definition.sidecar", '"x"'),
    "metric definition": (DOCUMENT, "$.definition.metric_definitions[0].unit", '"s"'),
    "objective": (DOCUMENT, "$.definition.objective.weight", "2"),
    "objective type": (DOCUMENT, "$.definition.objective.type", '"Balance"'),
    "parameter": (DOCUMENT, "$.definition.space[0][1][4]", '"depth > 3"'),
    "parameter kind": (DOCUMENT, "$.definition.space[0][0]", '"PermutationParameter"'),
    "scaling": (DOCUMENT, "$.definition.space[0][1][3]", '"Logit"'),
    "completion": (DOCUMENT, "$.completion.budget", "1"),
    "summary": (SUMMARY, "$.cost", 3),
    "status": (SUMMARY, "$.status", "Migrating"),
    "schema": ("PRAGMA user_version = 3",),
}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    corpus.build(VERSION, tmp_path / "state", [JOB, OTHER])
    return tmp_path / "state"


def tamper(state: Path, statement: str, *values: object) -> None:
    database = sqlite3.connect(state / JOB / "job.sqlite", isolation_level=None)
    with contextlib.closing(database):
        assert database.execute(statement, values).rowcount in (1, -1)


def refused(state: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line that a command says, which ends with exit code 4 and prints nothing else."""
    capsys.readouterr()
    code = main([*words, "--state", str(state)])
    said = capsys.readouterr()
    assert (code, said.out) == (4, ""), (words, said)
    [line] = said.err.splitlines()
    assert line.startswith("hpt: ") and line.endswith(NEWER)
    return line


def rows(state: Path) -> list[object]:
    """All that is stored of the job."""
    database = sqlite3.connect(state / JOB / "job.sqlite")
    with contextlib.closing(database):
        return list(database.iterdump())


@pytest.mark.parametrize("what", TAMPERED)
def test_every_command_refuses_it_and_lists_it(
    state: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    tamper(state, *TAMPERED[what])
    before = rows(state)
    lines = {refused(state, capsys, word, JOB) for word in ("describe", "trials", "resume", "stop")}
    lines |= {refused(state, capsys, word, JOB, "--json") for word in ("describe", "trials")}
    assert len(lines) == 1
    assert rows(state) == before

    code, listed = corpus.command(state, "list")
    problems = {entry["HyperParameterTuningJobName"]: entry.get("Problem") for entry in listed}
    assert (code, list(problems)) == (0, [JOB, "Random"])
    assert problems["Random"] is None
    assert problems[JOB] in lines.pop()
    assert problems[JOB].endswith(NEWER)
    assert corpus.command(state, "describe", OTHER)[1]["HyperParameterTuningJobStatus"] == "Completed"


def test_the_list_says_it_in_a_row(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tamper(state, KIND, "Teleported")
    capsys.readouterr()
    assert main(["list", "--state", str(state)]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    [row] = [line for line in said.out.splitlines() if line.startswith(JOB)]
    assert "unreadable: " in row and "'Teleported'" in row and NEWER in row
    assert any(line.startswith("Random ") and "Completed" in line for line in said.out.splitlines())


def test_a_note_of_a_newer_version(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tamper(state, "CREATE TABLE note (seq INTEGER PRIMARY KEY, after INTEGER NOT NULL, body TEXT NOT NULL)")
    tamper(state, "INSERT INTO note VALUES (1, 1, '{\"PauseTrainingJob\": 1}')")
    for word in ("describe", "trials", "resume", "stop"):
        assert "'PauseTrainingJob'" in refused(state, capsys, word, JOB)
    assert [entry.get("Problem") is None for entry in corpus.command(state, "list")[1]] == [False, True]


def test_another_job_is_tuned_beside_it(state: Path, tmp_path: Path) -> None:
    from tests.stored.test_corpus import child

    tamper(state, EVENT, "$.gpu", 1, "MetricLogged")
    program = corpus.HERE / VERSION / "programs" / "train.py"
    (tmp_path / "job.json").write_text(json.dumps(child(str(program))))
    code, found = corpus.command(
        state, "tune", str(tmp_path / "job.json"), "--quiet", "--again", "--warm-start", OTHER
    )
    assert (code, found["HyperParameterTuningJobStatus"]) == (0, "Completed")


@pytest.mark.parametrize("again", [(), ("--again",)])
def test_its_name_and_its_results_are_not_to_be_had(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], again: tuple[str, ...]
) -> None:
    from tests.stored.test_corpus import child

    tamper(state, EVENT, "$.gpu", 1, "MetricLogged")
    program = corpus.HERE / VERSION / "programs" / "train.py"
    job = tmp_path / "job.json"
    job.write_text(json.dumps({**child(str(program)), "HyperParameterTuningJobName": JOB}))
    refused(state, capsys, "tune", str(job), *again)
    job.write_text(json.dumps(child(str(program))))
    refused(state, capsys, "tune", str(job), "--warm-start", JOB, *again)
    assert not (state / "child" / "job.sqlite").exists()


# -- the service


@pytest.fixture
def client(state: Path) -> Iterator[Any]:
    client = hpt.client.SageMakerClient(state)
    yield client
    client.close()


@pytest.mark.parametrize("what", TAMPERED)
def test_a_clients_lists_leave_it_out_and_go_on(state: Path, client: Any, what: str) -> None:
    tamper(state, *TAMPERED[what])
    listed = client.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
    names = {entry["HyperParameterTuningJobName"] for entry in listed}
    assert names - {JOB} == {"Random"}
    training = [entry["TrainingJobName"] for entry in client.list_training_jobs()["TrainingJobSummaries"]]
    found = [
        each["HyperParameterTuningJob"]["HyperParameterTuningJobName"]
        for each in client.search(Resource="HyperParameterTuningJob")["Results"]
    ]
    trials = client.search(Resource="TrainingJob")["Results"]
    assert training and all(name.startswith("Random-") for name in training)
    assert found == ["Random"] and len(trials) == len(training)
    assert client.describe_training_job(TrainingJobName=training[0])["TrainingJobName"] == training[0]
    describe = client.describe_hyper_parameter_tuning_job
    assert describe(HyperParameterTuningJobName="random")["HyperParameterTuningJobStatus"] == "Completed"
    with pytest.raises(ClientError, match=NEWER):
        describe(HyperParameterTuningJobName=JOB)


def test_a_deleted_job_of_a_newer_version_does_not_hide_another(state: Path, client: Any) -> None:
    archive = state / ".deleted"
    archive.mkdir()
    tamper(state, KIND, "Teleported")
    [best] = [
        entry["TrainingJobName"]
        for entry in client.list_training_jobs_for_hyper_parameter_tuning_job(
            HyperParameterTuningJobName="random", MaxResults=1
        )["TrainingJobSummaries"]
    ]
    (state / JOB).rename(archive / f"{OTHER}.1")
    (state / OTHER).rename(archive / f"{OTHER}.2")
    assert client.describe_training_job(TrainingJobName=best)["TrainingJobName"] == best
    with pytest.raises(ClientError, match=NEWER):
        client.describe_training_job(TrainingJobName=best[:-8] + "00000000")
    assert client.list_training_jobs()["TrainingJobSummaries"]
