"""`hpt check-metric` on sample logs."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from hpt.cli import sample_log
from hpt.cli.main import main

LOG = b"starting\nepoch 1 loss: 0.5\nepoch 2 loss: 0.25\nvalidation auc = high\n[1]\ttrain-auc:0.9\n\xff\n"


@pytest.fixture
def log(tmp_path: Path) -> str:
    (tmp_path / "log").write_bytes(LOG)
    return str(tmp_path / "log")


def check(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[dict[str, Any]]]:
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


@pytest.mark.parametrize(
    ("regex", "line", "read", "number"),
    [
        ("accuracy.*([0-9.]+)", "accuracy: 93.27", "7", "93.27"),
        ("loss.*?([0-9.]+)", "loss: -0.5", "0.5", "-0.5"),
        (r".*(\d\.\d+)", "loss = 12.5 in epoch 3", "2.5", "12.5"),
        ("loss.*?([0-9.]+)", "loss=+0.5e-3,", "0.5", "+0.5e-3"),
        ("loss: ([0-9.]+)", "loss: 1,234.5 after", "1", "1,234.5"),
        ("loss: ([0-9.]+)", "loss: 12,345,678", "12", "12,345,678"),
        ("loss: ([0-9.]+)", "loss: 0,25 next", "0", "0,25"),
        ("loss: ([0-9.]+)", "loss: 1.234,5", "1.234", "1.234,5"),
        ("loss: ([0-9.]+)", "loss: 1_000", "1", "1_000"),
        ("loss: .*,([0-9.]+)", "loss: 1,234", "234", "1,234"),
        (r"'eval_loss': ([0-9]+(.|e\-)[0-9]+),?", "{'eval_loss': 3.2e-05, 'n': 1}", "3.2", "3.2e-05"),
        ("loss: ([0-9.]+)", "x" * 300_000 + " loss: 3.2e-05 " + "y" * 300_000, "3.2", "3.2e-05"),
    ],
)
def test_a_number_cut_at_either_end_is_noted_on_lines_of_any_length(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], regex: str, line: str, read: str, number: str
) -> None:
    path = tmp_path / "log"
    path.write_text(f"{line}\naccuracy: 5 loss: 5\n")
    _, [report] = check(capsys, str(path), "--metric", f"m={regex}")
    cut = report["CutShort"]
    assert (cut["Read"], cut["Number"]) == (read, number)
    assert number in cut["Line"] and len(cut["Line"]) <= 200
    main(["check-metric", str(path), "--metric", f"m={regex}"])
    assert f"the group reads {read} of {number} in: " in capsys.readouterr().out


@pytest.mark.parametrize(
    "line", ["loss: 0.5,0.3", "loss: 0.5, 3", "loss: 3-5", "loss: 1.2.3", "loss: [1,2,3]", "x-loss: 4"]
)
def test_lists_ranges_and_versions_are_no_cut_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    path = tmp_path / "log"
    path.write_text(f"{line}\nloss: 1\n")
    _, [report] = check(capsys, str(path), "--metric", r"m=loss: \[?([0-9.]+)")
    assert "CutShort" not in report


def test_lines_that_match_as_far_as_the_group_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log"
    path.write_text("loss: of what?\nstep 1 loss: 0.5\nstep 2 loss: -0.25\nstep 3 loss: nan\nlosses: 3\n")
    words = [str(path), "--metric", "l=loss: ([0-9.]+)"]
    _, [report] = check(capsys, *words)
    assert report["Missed"] == {"Lines": 2, "Pattern": "loss: ", "Line": "step 3 loss: nan"}
    main(["check-metric", *words])
    assert "2 later lines match but give no number, the last: step 3 loss: nan" in capsys.readouterr().out


def test_two_values_on_a_line_and_another_metric_are_noted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log"
    path.write_text("loss: 0.5 val_loss: 0.7\n")
    words = [str(path), "--metric", r"l=loss: (\S+)"]
    _, [report] = check(capsys, *words)
    assert report["SeveralValues"] == {"Values": [0.5, 0.7], "Line": "loss: 0.5 val_loss: 0.7"}
    assert report["AnotherMetric"] == {"Name": "val_", "Read": "val_loss: 0.7"}
    main(["check-metric", *words])
    out = capsys.readouterr().out
    assert "2 values on one line, 0.5, 0.7" in out and "another metric is read as well: val_loss: 0.7" in out
    path.write_text("loss: 0.5\nval_loss: 0.7\n")
    _, [report] = check(capsys, *words)
    assert report["AnotherMetric"]["Name"] == "val_" and "SeveralValues" not in report
    path.write_text("val_loss: 0.5\nval_loss: 0.7\n")
    assert "AnotherMetric" not in check(capsys, *words)[1][0]


def test_control_characters_are_shown_not_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"\x1b[2J\x1b[31mloss: 0.5\x1b[0m\x07\n")
    assert main(["check-metric", str(path), "--metric", r"l=loss: (\S+)"]) == 1
    out = capsys.readouterr().out
    assert r"\x1b[31mloss: 0.5\x1b[0m\x07" in out
    assert not any(character < " " and character != "\n" for character in out)
    assert main(["check-metric", str(path), "--metric", r"l=loss: (\S+)", "--json"]) == 1
    assert "\x1b" not in capsys.readouterr().out


def test_values_that_json_does_not_have_are_strings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log"
    path.write_text("acc=nan\nacc=inf acc=-inf\n")
    _, [report] = check(capsys, str(path), "--metric", r"acc=acc=(\S+)")
    assert (report["First"], report["Last"]) == ("NaN", "-Infinity")
    assert report["SeveralValues"]["Values"] == ["Infinity", "-Infinity"]


HOSTILE_LOG = "loss: 1111111111111111111111111111111111111111 x\n" + "a" * 100_000 + "!\nloss: 0.5\n"


@pytest.mark.parametrize(
    "regex",
    [
        r"loss: ((\d+)+)$",
        r"(a+)+$",
        r"(?:a?){30}(a{30})!!",
        r"(.*)(.*)(.*)(.*)=(\d)",
        r"(?:[a-z ]{0,7}){12} x([0-9.]+)",
        r"(a|a)*b",
        r"(?:a*)*(\d)c",
        r"loss: (([0-9]+)*)+z",
        r"(?=((a|aa)+)+b)(\d)",
        r"(\w+)\1+\1+!!(\d)",
    ],
)
def test_it_answers_soon_whatever_pattern_and_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], regex: str
) -> None:
    path = tmp_path / "log"
    path.write_text(HOSTILE_LOG * 3)
    before = time.thread_time()
    check(capsys, str(path), "--metric", f"m={regex}", "--metric", r"l=loss: (\S+)$")
    assert time.thread_time() - before < 1.5


def test_a_line_that_took_too_long_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log"
    path.write_text(HOSTILE_LOG)
    assert main(["check-metric", str(path), "--metric", r"m=loss: ((\d+)+)$"]) == 1
    out = capsys.readouterr().out
    assert "1 line took too long and gave no value" in out
    assert "matches as far as loss: " in out


def test_a_pipe_and_a_compressed_log_are_read_like_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--metric", r"loss=loss: (\S+)"]
    (tmp_path / "log").write_bytes(LOG)
    expected = check(capsys, str(tmp_path / "log"), *words)
    (tmp_path / "log.gz").write_bytes(gzip.compress(LOG[:30]) + gzip.compress(LOG[30:]))
    assert check(capsys, str(tmp_path / "log.gz"), *words) == expected
    os.mkfifo(tmp_path / "pipe")
    for content in (LOG, gzip.compress(LOG)):
        writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=[content])
        writer.start()
        assert check(capsys, str(tmp_path / "pipe"), *words) == expected
        writer.join()
    command = [sys.executable, "-m", "hpt.cli.main", "check-metric", "-", *words, "--json"]
    assert (
        json.loads(subprocess.run(command, input=LOG, capture_output=True, check=True).stdout) == expected[1]
    )


def test_a_compressed_log_that_is_cut_off_or_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.gz"
    whole = gzip.compress(
        b"".join(b"loss: %d %s\n" % (i, os.urandom(20).hex().encode()) for i in range(5000))
    )
    path.write_bytes(whole[:-1000])
    assert main(["check-metric", str(path), "--metric", r"l=loss: (\d+)"]) == 0
    assert "after which the log is cut off" in capsys.readouterr().out
    path.write_bytes(b"\x1f\x8bnonsense" * 10)
    assert main(["check-metric", str(path), "--metric", r"l=loss: (\d+)"]) == 2
    assert "is no gzip file that can be read" in capsys.readouterr().err


@pytest.mark.parametrize("piped", [False, True])
def test_the_end_of_a_log_that_is_too_long_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, piped: bool
) -> None:
    monkeypatch.setattr(sample_log, "READ_SECONDS", 0.01)
    path = tmp_path / "log"
    lines = b"".join(b"step %06d loss: 0.5 %s\n" % (i, b"." * 50) for i in range(10_000))
    with path.open("wb") as log:
        for _ in range(100):
            log.write(lines)
        log.write(b"loss: 3.2e-05")
    size = path.stat().st_size
    if piped:
        os.mkfifo(tmp_path / "pipe")
        data = path.read_bytes()
        writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=[data])
        writer.start()
        path = tmp_path / "pipe"
    code, [report] = check(capsys, str(path), "--metric", "l=loss: ([0-9.]+)")
    assert code == 0
    assert (report["First"], report["Last"], report["CutShort"]["Number"]) == (0.5, 3.2, "3.2e-05")
    assert 1000 < report["Matches"] < 1_000_001
    assert 0 < report["UnreadBytes"] < size


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
