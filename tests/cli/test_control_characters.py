"""Nothing that a program, a file or a user wrote reaches the terminal as a control character."""

from __future__ import annotations

import io
import json
import sqlite3
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest

from hpt.cli.main import main
from hpt.host.terminal import printable
from hpt.running.output import for_progress, for_results
from tests.stored import corpus

VERSION = corpus.VERSIONS[-1]
HOSTILE = "\x1b[2J\x1b[32mgood\x1b[0m\x07\x08\x9b31m\u202etxt\x7f\r"


def unsafe(text: str) -> set[str]:
    return {character for character in text if printable(character) != character}


def command(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    with suppress(SystemExit):  # of argparse
        main(words)
    said = capsys.readouterr()
    assert unsafe(said.out) == set() and unsafe(said.err) == set(), (words, said)
    return said.out + said.err


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Jobs whose stored strings are full of control characters, wherever a program or a user chooses them."""
    state = tmp_path / "state"
    corpus.build(VERSION, state, ["failures", "hopeless", "by-client", "paused-random"])
    for name in ("failures", "hopeless", "by-client", "paused-random"):
        with closing(sqlite3.connect(state / name / "job.sqlite", isolation_level=None)) as database:
            for seq, body in database.execute("SELECT seq, body FROM event").fetchall():
                event = json.loads(body)
                event |= {each: HOSTILE for each in ("failure_reason", "message", "model") if each in event}
                database.execute("UPDATE event SET body = ? WHERE seq = ?", (json.dumps(event), seq))
            database.execute(
                "UPDATE job SET document = json_set(document, '$.tags', json(?),"
                " '$.definition.environment', json(?), '$.definition.hyperparameters', json(?))",
                [json.dumps({HOSTILE: HOSTILE})] * 3,
            )
    return state


def test_every_command_over_stored_jobs(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--state", str(state)]
    shown = ""
    for job in ("failures", "hopeless", "by-client", "paused-random"):
        for words in (["describe", job], ["trials", job], ["trials", job, "--sort", "number"]):
            shown += command(capsys, *words, *place)
            json.loads(command(capsys, *words, "--json", *place).replace(r"\x", r"\\x"))
        shown += command(capsys, "stop" if job == "failures" else "describe", job, *place)
    shown += command(capsys, "list", *place)
    shown += command(capsys, "resume", "failures", *place)
    assert r"\x1b[2J" in shown


def test_names_that_are_given(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["describe", HOSTILE, "--state", str(state)],
        ["list", "--state", str(state) + HOSTILE],
        ["tune", str(state / HOSTILE)],
        ["trials", "failures", "--status", HOSTILE, "--state", str(state)],
        ["trials", "failures", HOSTILE, "--state", str(state)],
        [HOSTILE],
        ["list", "--" + HOSTILE],
    ):
        assert r"\x1b[2J" in command(capsys, *words)


@pytest.mark.parametrize("suffix", ["json", "yaml"])
@pytest.mark.parametrize("place", ["name", "key", "value", "metric", "environment", "image"])
def test_a_job_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str, suffix: str) -> None:
    chosen = {each: HOSTILE if each == place else each for each in ("key", "value", "metric", "environment")}
    request = {
        "HyperParameterTuningJobName": HOSTILE if place == "name" else "job",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": chosen["metric"]},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": {
                "CategoricalParameterRanges": [{"Name": "x", "Values": ["a", chosen["value"]]}],
            },
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {
                "TrainingImage": HOSTILE if place == "image" else "/bin/true",
                "MetricDefinitions": [{"Name": chosen["metric"], "Regex": "x: (.*)"}],
            },
            "StaticHyperParameters": {chosen["key"]: chosen["value"]},
            "Environment": {"A": chosen["environment"]},
        },
    }
    file = tmp_path / f"job.{suffix}"
    file.write_text(json.dumps(request))  # which is YAML too
    for words in (["--check"], []):
        command(capsys, "tune", str(file), *words, "--state", str(tmp_path / "state"))


def test_what_a_running_job_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "train.py"
    program.write_text(
        f"import sys\nhostile = {HOSTILE!r}\nprint(hostile)\nprint('loss: 1', hostile)\nsys.exit(hostile)\n"
    )
    request = {
        "HyperParameterTuningJobName": "job",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "x", "MinValue": 0, "MaxValue": 1}]},
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {
                "TrainingImage": str(program),
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss: (\\S+)"}],
            }
        },
    }
    (tmp_path / "job.json").write_text(json.dumps(request))
    shown = command(capsys, "tune", str(tmp_path / "job.json"), "--state", str(tmp_path / "state"))
    assert r"\x1b[2J" in shown
    log = next((tmp_path / "state").rglob("log"))
    command(capsys, "check-metric", str(log), "--metric", "loss=good(.*)")


@pytest.mark.parametrize("stream_for", [for_results, for_progress])
def test_the_streams_of_the_command(stream_for, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    under = io.StringIO()
    stream = stream_for(under)
    for code in range(0x110000):
        stream.write(chr(code))
    assert unsafe(under.getvalue()) == set()
    under.seek(0)
    under.truncate()
    assert stream.write("\x1b[1m") == 4  # of what was given
    from rich.console import Console

    monkeypatch.setattr(sys, "stdout", for_results(under))
    Console(force_terminal=True, color_system="standard").print("[bold]x")
    assert "\x1b[1mx" in under.getvalue()  # what `rich` draws itself is not touched
