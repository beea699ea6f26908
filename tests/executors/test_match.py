"""What is found of another configuration, or of another tuning job, is set aside and never read."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from hpt.errors import ExecutorError
from hpt.executors import match
from hpt.executors.base import Submission
from hpt.executors.local import LocalExecutor, specification
from hpt.job.config import Channel
from tests.executors.conftest import Workshop, definition, pids_in, supervisor_of, vanish


def _set_aside(workshop: Workshop) -> list[Path]:
    return sorted((workshop.root / match.SET_ASIDE).glob("*"))


def _other(workshop: Workshop, said: list[str]) -> LocalExecutor:
    return LocalExecutor(workshop.root, say=said.append)


def test_an_attempt_of_another_configuration_is_set_aside_and_run_afresh(workshop: Workshop) -> None:
    script = workshop.script("echo x is $SM_HP_X")
    workshop.run(script, hyperparameters={"x": "1"})
    said: list[str] = []
    later = workshop.start(script, hyperparameters={"x": "2"}, executor=_other(workshop, said))
    assert workshop.finish(later).log == b"x is 2\n"
    [place] = _set_aside(workshop)
    assert (place / "attempts/1/log").read_bytes() == b"x is 1\n"
    assert (place / "reason").read_text() == "hyperparameter 'x' is '1' in place of '2'\n"
    assert said == [
        "job-001: what was found of it ran with another configuration (hyperparameter 'x' is '1' in place of"
        f" '2'); it is set aside in {place}, and nothing of it counts"
    ]


CHANGES = {
    "a hyperparameter more": (
        {"hyperparameters": {"x": "1", "y": "1"}},
        "hyperparameter 'y' is None in place",
    ),
    "another variable": ({"environment": {"A": "2"}}, "environment 'A' is '1' in place of '2'"),
    "another program": ({"program": "/bin/true"}, "its requested image is '.*' in place of '/bin/true'"),
    "another tuning job": ({"job": "b"}, "it belongs to another tuning job"),
}


def _submission(image: str | Path, **changes: object) -> Submission:
    options = {"environment": {"A": "1"}, "hyperparameters": {"x": "1"}, "job": "a", **changes}
    image = options.pop("program", image)  # type: ignore[assignment]
    environment = options.pop("environment")
    return Submission("job-001", 1, definition=definition(image, environment=environment), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("changes", "reason"), CHANGES.values(), ids=CHANGES)
def test_what_makes_a_difference(workshop: Workshop, changes: dict[str, object], reason: str) -> None:
    script = workshop.script("exit 0")
    found = json.loads(json.dumps(specification(_submission(script))))
    assert match.difference(specification(_submission(script)), found) == ""
    difference = match.difference(specification(_submission(script, **changes)), found)
    assert re.search(reason, difference), difference


def test_what_depends_on_the_host_makes_no_difference(workshop: Workshop) -> None:
    submission = _submission(workshop.script("exit 0"))
    found = json.loads(json.dumps(specification(submission)))
    found |= {"interpreter": "/usr/bin/python2", "transfer_path": "/elsewhere", "command": ["other"]}
    again = replace(submission, parallel=9, spent=3.0, log_offset=4)
    assert match.difference(specification(again), found) == ""


def test_an_attempt_of_an_earlier_version_is_compared_by_what_it_ran(workshop: Workshop) -> None:
    script = workshop.script("echo x is $SM_HP_X")
    run = workshop.run(script, hyperparameters={"x": "1"})
    place = workshop.attempt(run)
    spec = json.loads((place / "spec.json").read_text())
    for name in ("digest", "job", "version", "clock", "fresh"):
        spec.pop(name, None)
    (place / "spec.json").write_text(json.dumps(spec))
    same = workshop.finish(workshop.again(run, LocalExecutor(workshop.root)))
    assert same.log == b"x is 1\n" and not _set_aside(workshop)
    other = workshop.start(script, hyperparameters={"x": "2"}, executor=LocalExecutor(workshop.root))
    assert workshop.finish(other).log == b"x is 2\n"


def test_channels_of_the_forms_of_earlier_versions_are_recognised() -> None:
    """Their specifications knew these members alone, and their digest is of them."""
    plain = Channel("train", "/data", "text/csv")
    [content] = specification(Submission("a", 1, {}, definition("/x", channels=(plain,))))["channels"]
    assert content == {
        "name": "train",
        "uri": "/data",
        "content_type": "text/csv",
        "compression": "None",
        "input_mode": "File",
        "record_wrapper": "None",
        "distribution": "FullyReplicated",
    }
    shuffled = replace(plain, input_mode="Pipe", shuffle_seed=0)
    [content] = specification(Submission("a", 1, {}, definition("/x", channels=(shuffled,))))["channels"]
    assert content["shuffle_seed"] == 0


def test_an_attempt_of_another_configuration_that_runs_is_ended(workshop: Workshop) -> None:
    pids = workshop.directory / "pids"
    script = workshop.script(
        f"echo $$ >> {pids}; touch $SAGEMAKER_BASE_DIR/checkpoints/$SM_HP_X; echo ready; exec sleep 60"
    )
    first = workshop.says(workshop.start(script, hyperparameters={"x": "1"}), b"ready")
    supervisor = supervisor_of(workshop, first)
    second = workshop.start(script, hyperparameters={"x": "2"}, executor=LocalExecutor(workshop.root))
    workshop.says(second, b"ready")
    assert vanish(supervisor) and vanish(pids_in(pids)[0])
    assert [path.name for path in (workshop.base(second) / "checkpoints").iterdir()] == ["2"]
    second.executor.stop(second.key, now=True)
    workshop.finish(second)
    workshop.runs.remove(first)


def test_checkpoints_kept_elsewhere_are_set_aside_too(workshop: Workshop) -> None:
    kept = workshop.directory / "kept"
    script = workshop.script(
        "ls $SAGEMAKER_BASE_DIR/checkpoints; touch $SAGEMAKER_BASE_DIR/checkpoints/$SM_HP_X"
    )
    workshop.run(script, hyperparameters={"x": "1"}, checkpoint_uri=str(kept))
    again = workshop.start(
        script, hyperparameters={"x": "2"}, checkpoint_uri=str(kept), executor=LocalExecutor(workshop.root)
    )
    assert workshop.finish(again).log == b""
    assert [path.name for path in (kept / "job-001").iterdir()] == ["2"]
    assert [path.name for path in (kept / match.SET_ASIDE / "job-001.1").iterdir()] == ["1"]


def test_an_attempt_whose_log_was_read_and_is_another_is_lost(workshop: Workshop) -> None:
    script = workshop.script("echo x is $SM_HP_X")
    run = workshop.run(script, hyperparameters={"x": "1"})
    changed = replace(run.submission, hyperparameters={"x": "2"}, log_offset=3)
    with pytest.raises(ExecutorError, match="ran with another configuration"):
        LocalExecutor(workshop.root).submit(changed)
    assert len(_set_aside(workshop)) == 1
    with pytest.raises(
        ExecutorError, match=r"nothing is found in .* of an attempt whose log was read before"
    ):
        LocalExecutor(workshop.root).submit(changed)


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"version": 2}'])
def test_an_attempt_whose_specification_is_damaged_is_lost(workshop: Workshop, content: bytes | None) -> None:
    run = workshop.says(workshop.start(workshop.script("echo ready; exec sleep 60")), b"ready")
    path = workshop.attempt(run) / "spec.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    other = workshop.finish(workshop.again(run, LocalExecutor(workshop.root)))
    assert other.exit is not None
    assert other.exit.outcome == "Lost" and other.exit.reason.startswith("its record spec.json ")
