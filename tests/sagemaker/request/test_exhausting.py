"""Small inputs that ask for gigabytes or minutes are refused in a moment; large legitimate ones are read."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from hpt.errors import MOST_VIOLATIONS, ValidationError
from hpt.sagemaker.request.job_file import load_job_file
from hpt.sagemaker.request.parse import read_request
from hpt.sagemaker.request.source import MAX_DEPTH, MAX_VALUES
from hpt.service.api import Service
from hpt.service.errors import ServiceError
from tests.sagemaker.request.test_job_file import JSON

KEY = "a" + ".a" * 60_000
TEXTS = {
    "a key of many parts.toml": f"{KEY} = 1\n",
    "a spaced key.toml": KEY.replace(".", " . ") + " = 1\n",
    "a quoted key.toml": KEY.replace("a", '"a"') + " = 1\n",
    "a key in a table.toml": f"x = {{{KEY} = 1}}\n",
    "a table.toml": f"[{KEY}]\n",
    "many keys of parts.toml": "".join(f"[k{i}{'.a' * 98}]\n" for i in range(1000)),
    "many tables.toml": "[[a]]\n" * 500_000,
    "many numbers.toml": "a = [" + "1," * 1_000_000 + "]",
    "nested.toml": "a = " + "[" * 90_000,
    "a word.toml": "a" * 4_000_000,
    "escapes.toml": 'a = "' + "\\n" * 1_900_000 + '"',
    "a number.toml": "a = 0x" + "f" * 1_000_000,
    "lines.toml": "a = 1\n" + "\n" * 4_000_000,
    "equal keys.json": "{" + ",".join(['"a":1'] * 600_000) + "}",
    "some equal keys.json": "{" + ",\n".join(['"a":1'] * 99_000) + "}",
    "NaN.json": "[" + ",".join(["NaN"] * 700_000) + "]",
    "some NaN.json": "[" + ",\n".join(["NaN"] * 99_000) + "]",
    "unknown members.json": "{" + ",".join(f'"k{i}":1' for i in range(250_000)) + "}",
    "some unknown members.json": "{" + ",".join(f'"k{i}":"x"' for i in range(90_000)) + "}",
    "nested.json": "[" * 90_000,
    "nested objects.json": '{"a":' * 90_000,
    "a number.json": '{"a":' + "9" * 1_000_000 + "}",
    "a key.json": '{"' + "x" * 4_000_000 + '":1}',
    "two equal long keys.json": ("{" + ('"' + "x" * 1_900_000 + '":1,') * 2)[:-1] + "}",
    "a string.json": '{"HyperParameterTuningJobName":"' + "x" * 4_000_000 + '"}',
    "half surrogates.json": '{"HyperParameterTuningJobName":"' + "\\ud800" * 600_000 + '"}',
    "aliases of aliases.yaml": "\n".join(
        ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    ),
    "nested lists.yaml": "[" * 1_000_000,
    "nested sequences.yaml": "- " * 1_000_000,
    "nested keys.yaml": "? " * 1_000_000,
    "nested mappings.yaml": "{a: " * 500_000,
    "many values.yaml": "- a\n" * 1_000_000,
    "unknown members.yaml": "".join(f"k{i}: 1\n" for i in range(250_000)),
    "a tag.yaml": "a: !" + "x" * 1_000_000 + " b\n",
    "a number.yaml": "a: 0x" + "f" * 1_000_000,
    "dots": "-." * 2_000_000,
    "words": '"a" . ' * 600_000,
}
CHILD = """
import resource, sys
from hpt.cli.main import main
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
code = main(["tune", sys.argv[1], "--check", "--state", sys.argv[2]])
used = resource.getrusage(resource.RUSAGE_SELF)
print(f"\\n{used.ru_utime + used.ru_stime:.2f} {used.ru_maxrss}", file=sys.__stderr__)
sys.exit(code)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", TEXTS)
def test_a_small_file_is_refused_in_a_moment(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text(TEXTS[name])
    done = subprocess.run(
        [sys.executable, "-P", "-c", CHILD, str(file), str(tmp_path / "state")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    message, seconds, kilobytes = done.stderr.rsplit(maxsplit=2)
    assert done.returncode == 2 and message.startswith("hpt: "), message[:1000]
    assert float(seconds) < 3  # CPU time, a third of it for the start of the command
    assert int(kilobytes) < 500 * 1024
    assert len(message) < 50_000 and message.count("\n") <= MOST_VIOLATIONS + 2


def large() -> dict[str, Any]:
    """A job of about a megabyte: 100 ranges, some of them with hundreds of values."""
    request: dict[str, Any] = json.loads(JSON)
    ranges = request["HyperParameterTuningJobConfig"]["ParameterRanges"] = {
        "ContinuousParameterRanges": [
            {"Name": f"x{i}", "MinValue": "0.0", "MaxValue": "1.0"} for i in range(10)
        ],
        "CategoricalParameterRanges": [],
    }
    for number in range(5):
        values = [f"{number}-{value}-{'v' * 40}" for value in range(30)]
        ranges["CategoricalParameterRanges"].append({"Name": f"c{number}", "Values": values})
    return request


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_a_large_file_is_read(tmp_path: Path, suffix: str) -> None:
    request = large()
    request["comment"] = ["x" * 100] * 9_000  # to a megabyte
    file = tmp_path / f"job.{suffix}"
    file.write_text(json.dumps(request) if suffix == "json" else yaml.safe_dump(request))
    assert file.stat().st_size > 900_000
    began = time.process_time()
    read, _ = load_job_file(file)
    assert time.process_time() - began < 2
    assert len(read["comment"]) == 9_000
    del read["comment"]
    config = read_request(read, base_dir=tmp_path, check_paths=False).config
    assert len(config.definition.space.parameters) == 15


def test_the_depth_and_the_number_of_values_that_are_read(tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text("a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1))
    assert load_job_file(file)
    file.write_text("a: [" + ", ".join(["x"] * (MAX_VALUES - 2)) + "]")
    assert len(load_job_file(file)[0]["a"]) == MAX_VALUES - 2
    (tmp_path / "job.toml").write_text("x" + ".a" * (MAX_DEPTH - 1) + " = 1\n")
    assert load_job_file(tmp_path / "job.toml")


def test_messages_show_some_violations_and_count_the_others(tmp_path: Path) -> None:
    request = {f"k{i}": i for i in range(250_000)}
    began = time.process_time()
    with pytest.raises(ValidationError) as refused:
        read_request(request)
    lines = str(refused.value).splitlines()
    assert lines[0] == "250002 validation errors" and lines[-1] == "  and 249982 more"
    assert len(lines) == MOST_VIOLATIONS + 2
    service = Service(tmp_path)
    with pytest.raises(
        ServiceError, match=r"^250002 validation errors detected: .*; and 249982 more$"
    ) as reply:
        service.call("CreateHyperParameterTuningJob", request)
    assert len(str(reply.value)) < 20_000
    assert time.process_time() - began < 8


def test_requests_that_nest_without_end(tmp_path: Path) -> None:
    expression: dict[str, Any] = {}
    value: list[Any] = []
    for _ in range(50_000):
        expression = {"SubExpressions": [expression]}
        value = [value]
    service = Service(tmp_path)
    with pytest.raises(ServiceError, match="nested too deeply"):
        service.call("Search", {"Resource": "TrainingJob", "SearchExpression": expression})
    for request in ({"HyperParameterTuningJobName": value}, {"Tags": value}, {"Tags": {"x": value}}):
        with pytest.raises(ServiceError) as refused:
            service.call("CreateHyperParameterTuningJob", request)
        assert len(str(refused.value)) < 20_000
    while value:
        value = value.pop()  # else its destruction would nest as deep
