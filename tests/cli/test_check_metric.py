"""`hpt check-metric` on sample logs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hpt.cli.main import main

LOG = b"starting\nepoch 1 loss: 0.5\nepoch 2 loss: 0.25\nvalidation auc = high\n[1]\ttrain-auc:0.9\n\xff\n"


@pytest.fixture
def log(tmp_path: Path) -> str:
    (tmp_path / "log").write_bytes(LOG)
    return str(tmp_path / "log")


def check(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[dict[str, object]]]:
    code = main(["check-metric", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_values_and_plans(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, [loss, auc] = check(
        capsys, log, "--metric", r"loss=loss: (\S+)", "--metric", r"auc=#011train-auc:(\S+)"
    )
    assert code == 0
    assert (loss["Matches"], loss["First"], loss["Last"]) == (2, 0.5, 0.25)
    assert (auc["Matches"], auc["Last"]) == (1, 0.9)
    assert loss["Plan"]


@pytest.mark.parametrize(
    ("regex", "pattern", "line"),
    [
        (r"loss= (\S+)", "loss", "epoch 2 loss: 0.25"),
        (r"auc = (\S+)", r"auc = (\S+)", "validation auc = high"),
        (r"epoch \d+ accuracy (\S+)", r"epoch \d+ ", "epoch 2 loss: 0.25"),
    ],
)
def test_the_nearest_miss_is_named(
    log: str, capsys: pytest.CaptureFixture[str], regex: str, pattern: str, line: str
) -> None:
    code, [report] = check(capsys, log, "--metric", f"m={regex}")
    assert code == 1
    assert report["NearestMiss"] == {"Pattern": pattern, "Line": line}


@pytest.mark.parametrize(
    ("regex", "line", "read", "number"),
    [
        ("loss: ([0-9.]+)", "loss: 4.41e-06 after 3 s", "4.41", "4.41e-06"),
        (r"loss: (-?\d+)", "loss: -3.25", "-3", "-3.25"),
        (r"loss: (\d\.\d\d)", "loss: 0.123", "0.12", "0.123"),
        (r"#011loss:([0-9.]+)", "[1]\tloss:1.5E+3", "1.5", "1.5E+3"),
    ],
)
def test_a_number_that_goes_on_after_the_group_is_noted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], regex: str, line: str, read: str, number: str
) -> None:
    path = tmp_path / "log"
    path.write_text(f"loss: 5\n{line}\nloss: 7\n")
    code, [report] = check(capsys, str(path), "--metric", f"loss={regex}")
    assert code == 0
    assert report["CutShort"] == {"Read": read, "Number": number, "Line": line}
    main(["check-metric", str(path), "--metric", f"loss={regex}"])
    assert f"the group reads {read} of {number} in: {line}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("regex", "line"),
    [
        ("loss: ([-+0-9.eE]+)", "loss: 4.41e-06"),
        (r"loss: (\d\.\d+)", "loss: 0.5. loss: 0.25e loss: 0.125epochs loss: 1.0-2.0"),
        (r"loss: (\d+)", "loss: 5."),
        (r"loss: (\d\.\d)", "loss: 0.500"),
        (r"((\d+)+)+\.", "1" * 60),  # which `re` would not come to an end with
    ],
)
def test_a_number_read_whole_is_not_noted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], regex: str, line: str
) -> None:
    path = tmp_path / "log"
    path.write_text(f"{line}\nloss: 1.\n")
    _, [report] = check(capsys, str(path), "--metric", f"loss={regex}")
    assert report["Matches"] and "CutShort" not in report


def test_nothing_near(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-metric", log, "--metric", r"m=zebra (\S+)"]) == 1
    assert "no line matches even the beginning" in capsys.readouterr().out


def test_definitions_from_a_job_file_and_a_list(
    log: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = Path(__file__).parents[2] / "examples" / "breast_cancer" / "job.json"
    _, reports = check(capsys, log, "--definitions", str(job))
    assert "validation:logloss" in {report["Name"] for report in reports}
    bare = tmp_path / "definitions.json"
    bare.write_text(json.dumps([{"Name": "loss", "Regex": r"loss: (\S+)"}]))
    code, [loss] = check(capsys, log, "--definitions", str(bare))
    assert code == 0
    assert loss["Matches"] == 2


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nowhere", "--metric", r"m=(\S+)"], "nowhere"),
        (["LOG"], "no metric definition is given"),
        (["LOG", "--metric", "no equals sign"], "NAME=REGEX"),
        (["LOG", "--metric", "m=no group"], "group"),
        (["LOG", "--metric", "m=(unbalanced"], "regular expression"),
        (["LOG", "--definitions", "absent.json"], "absent.json"),
    ],
)
def test_bad_input(log: str, capsys: pytest.CaptureFixture[str], words: list[str], expected: str) -> None:
    assert main(["check-metric", *(log if word == "LOG" else word for word in words)]) == 2
    assert expected in capsys.readouterr().err
