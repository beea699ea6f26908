from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpt.errors import InputError, ValidationError
from hpt.sagemaker.request.job_file import MAX_BYTES, load_job_file
from hpt.sagemaker.request.parse import parse_request, read_request
from hpt.sagemaker.request.shapes import SourceText

JSON = """{
  "HyperParameterTuningJobName": "mlp",
  "HyperParameterTuningJobConfig": {
    "Strategy": "Random",
    "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "auc"},
    "ResourceLimits": {"MaxNumberOfTrainingJobs": 5, "MaxParallelTrainingJobs": 1},
    "ParameterRanges": {
      "ContinuousParameterRanges": [{"Name": "lr", "MinValue": 1e-3, "MaxValue": 0.50}],
      "CategoricalParameterRanges": [{"Name": "drop", "Values": [0.10, true, "no"]}]
    }
  },
  "TrainingJobDefinition": {
    "AlgorithmSpecification": {
      "TrainingImage": "train.py",
      "MetricDefinitions": [{"Name": "auc", "Regex": "auc=(\\\\S+)"}]
    },
    "StaticHyperParameters": {"epochs": 10, "big": 123456789012345678901234567890},
    "EnableNetworkIsolation": false
  }
}
"""

YAML = r"""# the same job
HyperParameterTuningJobName: mlp
HyperParameterTuningJobConfig:
  Strategy: Random
  HyperParameterTuningJobObjective: {Type: Maximize, MetricName: auc}
  ResourceLimits: {MaxNumberOfTrainingJobs: 5, MaxParallelTrainingJobs: 1}
  ParameterRanges:
    ContinuousParameterRanges:
      - {Name: lr, MinValue: 1e-3, MaxValue: 0.50}
    CategoricalParameterRanges:
      - Name: drop
        Values: [0.10, true, no]
TrainingJobDefinition:
  AlgorithmSpecification:
    TrainingImage: train.py
    MetricDefinitions:
      - Name: auc
        Regex: auc=(\S+)
  StaticHyperParameters:
    epochs: 10
    big: 123456789012345678901234567890
  EnableNetworkIsolation: false
"""

TOML = r"""# the same job
HyperParameterTuningJobName = "mlp"

[HyperParameterTuningJobConfig]
Strategy = "Random"
HyperParameterTuningJobObjective = { Type = "Maximize", MetricName = "auc" }
ResourceLimits = { MaxNumberOfTrainingJobs = 5, MaxParallelTrainingJobs = 1 }

[[HyperParameterTuningJobConfig.ParameterRanges.ContinuousParameterRanges]]
Name = "lr"
MinValue = 1e-3
MaxValue = 0.50

[[HyperParameterTuningJobConfig.ParameterRanges.CategoricalParameterRanges]]
Name = "drop"
Values = [0.10, true, "no"]

[TrainingJobDefinition]
EnableNetworkIsolation = false
StaticHyperParameters = { epochs = 10, big = 123456789012345678901234567890 }

[TrainingJobDefinition.AlgorithmSpecification]
TrainingImage = "train.py"
MetricDefinitions = [{ Name = "auc", Regex = 'auc=(\S+)' }]
"""


def load(folder: Path, text: str | bytes, name: str = "job.json") -> dict[str, Any]:
    file = folder / name
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    request, base_dir = load_job_file(file)
    assert base_dir == folder
    return request


def refused(folder: Path, text: str | bytes, name: str = "job.json") -> str:
    with pytest.raises(InputError) as caught:
        load(folder, text, name)
    assert not isinstance(caught.value, ValidationError)
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(("name", "text"), [("job.json", JSON), ("job.yaml", YAML), ("job.toml", TOML)])
def test_the_same_job_in_three_languages(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "train.py").write_text("pass")
    config, echo, _ = read_request(load(tmp_path, text, name), base_dir=tmp_path)
    ranges = echo["HyperParameterTuningJobConfig"]["ParameterRanges"]
    assert ranges["ContinuousParameterRanges"] == [
        {"Name": "lr", "MinValue": "1e-3", "MaxValue": "0.50", "ScalingType": "Auto"}
    ]
    assert ranges["CategoricalParameterRanges"] == [{"Name": "drop", "Values": ["0.10", "true", "no"]}]
    assert config.definition.hyperparameters == {"epochs": "10", "big": "123456789012345678901234567890"}
    assert config.limits.max_jobs == 5
    assert config.definition.training_image == str(tmp_path / "train.py")
    json_request = load(tmp_path, JSON)
    assert config == parse_request(json_request, base_dir=tmp_path)


@pytest.mark.parametrize(("name", "text"), [("job.json", JSON), ("job.yaml", YAML), ("job.toml", TOML)])
def test_strict_mode_wants_quotes_in_all_of_them(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        parse_request(load(tmp_path, text, name), base_dir=tmp_path, strict=True)
    messages = {violation.path.split(".")[-1]: violation.message for violation in caught.value.violations}
    assert messages["MinValue"] == "'1e-3' is a number where a string is required; put it in quotes"
    assert messages["epochs"] == "'10' is a number where a string is required; put it in quotes"
    assert messages["Values[1]"] == "'true' is a boolean where a string is required; put it in quotes"


@pytest.mark.parametrize(
    ("text", "language"),
    [(JSON, "json"), (f"\n {JSON}", "json"), (YAML, "yaml"), (TOML, "toml"), ("[a]\nb = 1\n", "toml")],
)
@pytest.mark.parametrize("name", ["job", "job.txt"])
def test_without_a_known_extension_the_content_tells(
    tmp_path: Path, text: str, language: str, name: str
) -> None:
    assert load(tmp_path, text, name) == load(tmp_path, text, f"job.{language}")


def test_the_extension_may_be_in_capitals(tmp_path: Path) -> None:
    assert load(tmp_path, YAML, "JOB.YML") == load(tmp_path, YAML, "job.yaml")


def test_a_relative_path_gives_an_absolute_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "a.json").write_text(JSON)
    monkeypatch.chdir(tmp_path)
    assert load_job_file("jobs/a.json")[1] == tmp_path / "jobs"


@pytest.mark.parametrize("name", ["job.json", "job.yaml", "job.toml"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks(tmp_path: Path, name: str, encoding: str) -> None:
    text = {"job.json": '{"a": "é"}', "job.yaml": "a: é\n", "job.toml": 'a = "é"\n'}[name]
    assert load(tmp_path, text.encode(encoding), name) == {"a": "é"}


class TestYaml:
    """Scalars as YAML 1.2 reads them, with their source."""

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("0.10", SourceText("0.10", 0.1)),
            ("1e-3", SourceText("1e-3", 0.001)),
            ("-.5", SourceText("-.5", -0.5)),
            ("012", SourceText("012", 12)),
            ("0x1F", SourceText("0x1F", 31)),
            ("0o17", SourceText("0o17", 15)),
            ("True", SourceText("True", True)),
            ("~", SourceText("~", None)),
            ("", SourceText("", None)),
            (".inf", SourceText(".inf", float("inf"))),
            ("no", "no"),
            ("Off", "Off"),
            ("1:30", "1:30"),
            ("1_000", "1_000"),
            ("2024-01-01", "2024-01-01"),
            ("'7'", "7"),
            ('"true"', "true"),
            ("!!str 7", "7"),
            ('!!int "7"', SourceText("7", 7)),
        ],
    )
    def test_scalars(self, tmp_path: Path, text: str, value: object) -> None:
        assert load(tmp_path, f"a: {text}\n", "job.yaml") == {"a": value}

    def test_numbers_as_keys_are_texts(self, tmp_path: Path) -> None:
        assert load(tmp_path, "1: x\ntrue: y\n", "job.yaml") == {"1": "x", "true": "y"}

    def test_an_alias_stands_for_its_value(self, tmp_path: Path) -> None:
        assert load(tmp_path, "a: &x [b]\nc: *x\n", "job.yaml") == {"a": ["b"], "c": ["b"]}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a: 1\nb:\n  c: 2\n  c: 3\n", "job.yaml:4:3: duplicate key 'c' in an object; remove one"),
            ("a: &x [*x]\n", "job.yaml:1:8: an alias contains itself; write the value out"),
            (
                "a: !!python/object:os.system x\n",
                "job.yaml:1:4: 'x' does not fit the tag tag:yaml.org,2002:python/object:os.system; remove "
                "the tag",
            ),
            ("a: !mine {}\n", "job.yaml:1:4: the tag !mine is not known; remove it"),
            ("a: !!int x\n", "job.yaml:1:4: 'x' does not fit the tag tag:yaml.org,2002:int; remove the tag"),
            ("? [a]\n: b\n", "job.yaml:1:3: a key is a list or an object; use a string"),
            ("a: [1\nb: 2\n", "job.yaml:2:2: not valid YAML: expected ',' or ']', but got ':'"),
            (
                "a:\n\t- b\n",
                "job.yaml:2:1: not valid YAML: found character '\\t' that cannot start any token",
            ),
            ("a: 1\n---\nb: 2\n", "job.yaml:2:1: not valid YAML: but found another document"),
            ("a: *x\n", "job.yaml:1:4: not valid YAML: found undefined alias 'x'"),
            (
                "a: " + "9" * 5000,
                "job.yaml: a number of 5000 digits (99999999999999999999...) is too long; shorten it",
            ),
            (
                "- a\n",
                "job.yaml is not an object at its top level; write HyperParameterTuningJobName: ...",
            ),
            (
                "# nothing\n",
                "job.yaml is not an object at its top level; write HyperParameterTuningJobName: ...",
            ),
            ("- " * 30_000, "job.yaml is nested too deeply to be a tuning job request; flatten it"),
        ],
    )
    def test_refused(self, tmp_path: Path, text: str, message: str) -> None:
        assert refused(tmp_path, text, "job.yaml") == message

    def test_aliases_do_not_explode(self, tmp_path: Path) -> None:
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 30)]
        message = refused(tmp_path, "\n".join(lines), "job.yaml")
        assert "more than 100000 values (an alias counts as what it stands for); write fewer" in message

    def test_control_characters(self, tmp_path: Path) -> None:
        message = refused(tmp_path, 'a: "\x07"\n', "job.yaml")
        assert message.startswith("job.yaml: not valid YAML: unacceptable character #x0007")


class TestJson:
    """JSON as it is defined, no more."""

    def test_scalars(self, tmp_path: Path) -> None:
        text = '{"a": [0.10, 1E5, -0, true, null, 123456789012345678901234567890, "x", []]}'
        assert load(tmp_path, text) == {
            "a": [
                SourceText("0.10", 0.1),
                SourceText("1E5", 100000.0),
                SourceText("-0", 0),
                SourceText("true", True),
                SourceText("null", None),
                SourceText("123456789012345678901234567890", 123456789012345678901234567890),
                "x",
                [],
            ]
        }

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (
                '{"a": 1,\n "b": 2,\n "a": 3}',
                "job.json: duplicate key 'a' in an object (lines 1, 3); remove one",
            ),
            ('{"a": 1,\n "b" 2}', "job.json:2:6: not valid JSON: Expecting ':' delimiter"),
            ('{"a":\n NaN}', "job.json: NaN is not JSON (line 2); write a number"),
            ('{"a": -Infinity}', "job.json: -Infinity is not JSON (line 1); write a number"),
            ('{"a": 1} x', "job.json:1:10: not valid JSON: Extra data"),
            (
                "[]",
                "job.json is not an object at its top level; write HyperParameterTuningJobName: ...",
            ),
            ("7", "job.json is not an object at its top level; write HyperParameterTuningJobName: ..."),
            ("[" * 100_000, "job.json is nested too deeply to be a tuning job request; flatten it"),
            (
                f'{{"a": {"9" * 5000}}}',
                "job.json: a number of 5000 digits (99999999999999999999...) is too long; shorten it",
            ),
        ],
    )
    def test_refused(self, tmp_path: Path, text: str, message: str) -> None:
        assert refused(tmp_path, text) == message


class TestToml:
    """TOML; its reader keeps the text of floats, integers come in plain digits."""

    def test_scalars(self, tmp_path: Path) -> None:
        assert load(tmp_path, "a = [0.10, 1_000, 0x1F, true, nan]\nb = 1e-3\n", "job.toml") == {
            "a": [
                SourceText("0.10", 0.1),
                SourceText("1000", 1000),
                SourceText("31", 31),
                SourceText("true", True),
                _Nan(),
            ],
            "b": SourceText("1e-3", 0.001),
        }

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a = \n", "job.toml: not valid TOML: Invalid value (at line 1, column 5)"),
            ("a = 1\na = 2\n", "job.toml: not valid TOML: Cannot overwrite a value (at line 2, column 6)"),
            (
                "a = 2024-01-01\n",
                "job.toml: 2024-01-01 is a date or time, which no member takes; put it in quotes",
            ),
            (
                "a = 07:32:00\n",
                "job.toml: 07:32:00 is a date or time, which no member takes; put it in quotes",
            ),
        ],
    )
    def test_refused(self, tmp_path: Path, text: str, message: str) -> None:
        assert refused(tmp_path, text, "job.toml") == message

    def test_numbers_that_are_too_long(self, tmp_path: Path) -> None:
        assert "a number is too long" in refused(tmp_path, "a = " + "9" * 5000, "job.toml")


class _Nan:
    """Equal to the `SourceText` of NaN, which is equal to nothing."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SourceText) and other.text == "nan" and other.value != other.value

    __hash__ = None  # type: ignore[assignment]


class TestFiles:
    """What is no job file at all."""

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"job file .*/gone\.json does not exist; correct the path"):
            load_job_file(tmp_path / "gone.json")

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="is a folder; name the job file in it"):
            load_job_file(tmp_path)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_unreadable(self, tmp_path: Path) -> None:
        (tmp_path / "job.json").touch(0o000)
        with pytest.raises(InputError, match="cannot be read: Permission denied"):
            load_job_file(tmp_path / "job.json")

    @pytest.mark.parametrize("text", ["", " \n\t\n", b"\xef\xbb\xbf"])
    def test_empty(self, tmp_path: Path, text: str | bytes) -> None:
        assert refused(tmp_path, text) == "job.json is empty; write a tuning job request into it"

    @pytest.mark.parametrize("name", ["job.json", "job.yaml", "job.toml", "job"])
    def test_binary(self, tmp_path: Path, name: str) -> None:
        message = refused(tmp_path, b"\x7fELF\x01\x00\x00", name)
        assert message == f"{name} is a binary file; write a job file in JSON, YAML or TOML"

    def test_another_encoding(self, tmp_path: Path) -> None:
        message = refused(tmp_path, '{"a":\n "é"}'.encode("latin-1"))
        assert message == "job.json:2: not valid UTF-8 (invalid continuation byte); save it as UTF-8"

    def test_enormous(self, tmp_path: Path) -> None:
        message = refused(tmp_path, b" " * (MAX_BYTES + 1))
        assert message == "job.json is larger than 4 MiB; write a job file in JSON, YAML or TOML"


TEXTS = {"job.json": JSON, "job.yaml": YAML, "job.toml": TOML}


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.sampled_from(sorted(TEXTS)),
    st.integers(0, 600),
    st.integers(0, 40),
    st.one_of(
        st.text(max_size=8),
        st.sampled_from(["&a", "*a", "!!", "{{", "<<: ", "\\ud800", "[[", "---\n", "1e9999"]),
    ),
)
def test_a_damaged_file_is_read_or_refused(name: str, start: int, length: int, patch: str) -> None:
    text = TEXTS[name]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, name)
        file.write_bytes((text[:start] + patch + text[start + length :]).encode("utf-8", "replace"))
        try:
            request, _ = load_job_file(file)
        except InputError:
            return
        try:
            parse_request(request, base_dir=folder, check_paths=False)
        except ValidationError:
            return
