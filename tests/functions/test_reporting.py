"""What a program reports is read again from its log, whatever else it prints."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hpt
from hpt.errors import InputError
from hpt.job.config import MetricDefinition
from hpt.job.tagged_line import tagged_line, tagged_pattern
from hpt.metrics.definitions import CompiledDefinitions
from hpt.metrics.scanner import MetricScanner

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(
    lambda name: name.isprintable() and not any(c.isspace() or c == "=" for c in name)
)


def read(names: list[str], log: bytes) -> list[tuple[str, float]]:
    definitions = CompiledDefinitions([MetricDefinition(name, tagged_pattern(name)) for name in names])
    scanner = MetricScanner(definitions)
    return [(names[index], value) for index, value, _ in scanner.feed(log) + scanner.finish()]


def test_a_program_reports_several_metrics_beside_what_it_prints() -> None:
    program = (
        "import sys, hpt\n"
        "print('Epoch 1: 50%', end='\\r')\n"
        "hpt.report(loss=0.25, **{'validation:auc': 1})\n"
        "print('loss=7', end='')\n"
        "hpt.report(loss=1e-300)\n"
        "assert 'numba' not in sys.modules and 'scipy' not in sys.modules\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    expected = [("loss", 0.25), ("validation:auc", 1.0), ("loss", 1e-300)]
    assert read(["loss", "validation:auc"], run.stdout) == expected


@settings(deadline=None)  # a busy machine is no failure
@given(st.dictionaries(NAMES, st.floats(), min_size=1, max_size=6))
def test_any_report_is_read_to_the_last_bit(metrics: dict[str, float]) -> None:
    line = tagged_line(metrics).encode()
    assert line.count(b"\n") == 0
    found = read(list(metrics), b"noise\n" + line + b"\n")
    assert [name for name, _ in found] == list(metrics)
    for name, value in found:
        assert value == metrics[name] or (math.isnan(value) and math.isnan(metrics[name]))


def test_a_name_within_another_is_not_confused() -> None:
    assert read(["loss"], b"[hpt] metrics: val_loss=1 loss=2 loss_b=3\n") == [("loss", 2.0)]
    assert read(["a.b"], b"[hpt] metrics: axb=1\n") == []


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a\nb", "a\tb", "\udcff"])
def test_names_that_cannot_be_read_again_are_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="cannot be reported"):
        hpt.report(good=1.0, **{name: 1.0})
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("value", ["0.5", None, [1], 1j])
def test_values_that_are_no_numbers_are_refused(value: object, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(
        InputError, match=r"metric .loss.: .* is not a number.*; (report a number|give its real part)"
    ):
        hpt.report(loss=value)  # type: ignore[arg-type]
    assert capsys.readouterr().out == ""


def test_numpy_numbers_are_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np

    hpt.report(a=np.float32(0.5), b=np.array(2), c=np.int64(3))
    assert capsys.readouterr().out == "\n[hpt] metrics: a=0.5 b=2.0 c=3.0\n"
    hpt.report()
    assert capsys.readouterr().out == ""
