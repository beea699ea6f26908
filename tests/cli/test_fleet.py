"""`hpt fleet`, as far as it needs no service: files, policies, words that do not go together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hpt.cli.main import main

FILE = """
name = "search"
bucket = "s3://bucket/tuning"
region = "eu-west-1"
slots = 8
[nodes]
instance_types = { "c5.xlarge" = 2 }
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("HPT_HOME", str(tmp_path / "home"))
    (tmp_path / "fleet.toml").write_text(FILE)
    return str(tmp_path / "fleet.toml")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(words)
    out, err = capsys.readouterr()
    return code, out, err


def test_a_file_is_checked(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "fleet", "check", file)
    assert code == 0 and "files       s3://bucket/tuning/search/" in out and "slots       8" in out
    assert json.loads(run(capsys, "fleet", "check", file, "--json")[1])["region"] == "eu-west-1"
    Path(file).write_text(FILE.replace("slots", "slot"))
    code, _, err = run(capsys, "fleet", "check", file)
    assert code == 2 and "fleet.toml: slots is missing; is 'slot' meant for it?" in err


@pytest.mark.parametrize("kind", ["user", "head", "node"])
def test_policies_are_printed(file: str, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    code, out, _ = run(capsys, "fleet", "policy", file, "--for", kind, "--account", "123456789012")
    document = json.loads(out)
    assert code == 0 and document["Version"] == "2012-10-17" and "eu-west-1:123456789012" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("fleet", "policy", "{file}", "--account", "12"), "--account '12' is no number of an AWS account"),
        (("fleet", "down"), "name one fleet, or give --all or --expired"),
        (("fleet", "down", "a", "--all"), "name one fleet"),
        (("fleet", "down", "Not_One", "--region", "us-east-1"), "is no name of a fleet"),
        (("fleet", "status", "a", "--region", "moon"), "'moon' is no AWS region"),
        (("fleet", "status", "a"), "no AWS region is known"),
        (("fleet", "up", "{file}", "--wheel", "none.whl"), "none.whl is no file"),
        (("resume", "job", "--fleet", "a", "--address", ""), "--address: where training jobs run is chosen"),
    ],
)
def test_words_that_do_not_go_together(
    file: str, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    code, _, err = run(capsys, *(word.replace("{file}", file) for word in words))
    assert code == 2 and message in err


@pytest.mark.parametrize(
    "words", [("fleet", "up", "{file}"), ("fleet", "status", "a"), ("stop", "job", "--fleet", "a")]
)
def test_what_is_wrong_with_the_configuration_of_aws_is_said(
    file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    words = tuple(word.replace("{file}", file) for word in words)
    monkeypatch.setenv("AWS_PROFILE", "gone")
    code, _, err = run(capsys, *words)
    assert code == 2 and "The config profile (gone) could not be found; correct AWS_PROFILE" in err
    monkeypatch.delenv("AWS_PROFILE")
    config = Path(file).with_name("none")
    config.write_text("no section\n")
    code, _, err = run(capsys, *words)
    assert code == 2 and "Unable to parse config file" in err
    config.unlink()
    if words[0] == "stop":
        code, _, err = run(capsys, *words)
        assert code == 2 and err.strip().endswith("no AWS region is known; set AWS_DEFAULT_REGION")


def test_the_help_has_an_example_that_reads(tmp_path: Path) -> None:
    import textwrap

    from hpt.cli.fleet import DESCRIPTION
    from hpt.fleet.ec2.config import load_fleet_file

    example = textwrap.dedent(DESCRIPTION.split("\n\n", 1)[1].rsplit("\n\n", 1)[0])
    (tmp_path / "fleet.toml").write_text(example)
    assert load_fleet_file(tmp_path / "fleet.toml").nodes.on_demand == 2
