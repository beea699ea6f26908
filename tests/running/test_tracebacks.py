"""The last traceback of a program is found in what it wrote, whatever stands around it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hpt.running.tracebacks import LONGEST, find_traceback, last_traceback

HEAD = "Traceback (most recent call last):"


def log_of(program: str) -> str:
    """What a program writes that fails."""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ended.returncode
    return ended.stdout


def test_the_last_of_several_with_a_message_of_several_lines() -> None:
    log = log_of(
        "import traceback\n"
        "try: 1 / 0\nexcept ZeroDivisionError: traceback.print_exc()\n"
        "print('epoch 1', flush=True)\nraise ValueError('first\\n\\nsecond')"
    )
    found = find_traceback(log)
    assert found.startswith(HEAD) and found.count(HEAD) == 1
    assert found.endswith("ValueError: first\n\nsecond") and "epoch" not in found


@pytest.mark.parametrize("how", ["raise KeyError('b')", "raise KeyError('b') from error"])
def test_the_exceptions_that_led_to_it(how: str) -> None:
    log = log_of(f"try: 1 / 0\nexcept ZeroDivisionError as error: {how}")
    found = find_traceback("loss: 3\n" + log)
    assert found == log.strip()
    assert found.count(HEAD) == 2 and "division by zero" in found


def test_a_group_with_its_parts() -> None:
    log = log_of("raise ExceptionGroup('many', [ValueError('one'), TypeError('two')])")
    assert find_traceback("before\n" + log) == log.strip("\n")


def test_what_another_process_raised() -> None:
    log = (
        'concurrent.futures.process._RemoteTraceback: \n"""\n'
        f'{HEAD}\n  File "a.py", line 1, in f\nValueError: far\n"""\n\n'
        "The above exception was the direct cause of the following exception:\n\n"
        f'{HEAD}\n  File "b.py", line 2, in <module>\nValueError: far\n'
    )
    assert find_traceback("epoch 1\n" + log) == log.strip()


def test_a_syntax_error() -> None:
    assert find_traceback(log_of("def f(:\n  pass")).endswith("SyntaxError: invalid syntax")


def test_what_follows_is_left_out_if_it_is_much() -> None:
    log = log_of("1 / 0") + "[hpt] report=3.0\n"
    assert find_traceback(log).endswith("ZeroDivisionError: division by zero")
    log = log_of("1 / 0") + "\n" + "step\n" * 100
    assert find_traceback(log).endswith("ZeroDivisionError: division by zero")


def test_it_is_bounded_and_ends_with_the_exception() -> None:
    found = find_traceback(log_of("raise ValueError('x' * 1_000_000 + 'end')"))
    assert len(found) == LONGEST + 1 and found.endswith("xend")


@pytest.mark.parametrize("log", ["", "loss: 3\n", "Traceback? no\n", "\0" * 1000])
def test_none(log: str) -> None:
    assert find_traceback(log) == ""


def test_carriage_returns_and_bad_bytes(tmp_path: Path) -> None:
    log = tmp_path / "attempts" / "2" / "log"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"\xff\r10%\r\n" + HEAD.encode() + b'\r\n  File "a", line 1\r\nOSError: \xfe\r\n')
    assert last_traceback(tmp_path, 2) == f'{HEAD}\n  File "a", line 1\nOSError: \ufffd'
    assert last_traceback(tmp_path, 1) == ""


def test_a_failure_file_is_asked_where_the_log_has_none_and_never_waited_for(tmp_path: Path) -> None:
    output = tmp_path / "ml" / "output"
    output.mkdir(parents=True)
    (output / "failure").write_text(f"it failed\n{HEAD}\nE: x")
    assert last_traceback(tmp_path, 1) == f"{HEAD}\nE: x"
    (output / "failure").unlink()
    os.mkfifo(output / "failure")
    assert last_traceback(tmp_path, 1) == ""
    (output / "failure").unlink()
    (output / "failure").mkdir()
    assert last_traceback(tmp_path, 1) == ""
