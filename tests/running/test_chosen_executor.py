"""A job goes on with the executor that began it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpt.errors import InputError, StorageError
from hpt.fleet.setting import CHOICE
from hpt.running.chosen_executor import check_kind, chosen, keep, kept
from hpt.running.session import Session
from tests.stored import corpus


def test_one_of_this_host_is_not_recorded(tmp_path: Path) -> None:
    keep(tmp_path / "job", "local", {})
    assert kept(tmp_path / "job") is None
    assert chosen(tmp_path / "job", "local", {}) == ("local", {})


def test_a_job_goes_on_with_its_own_and_with_new_options(tmp_path: Path) -> None:
    keep(tmp_path / "job", "ray", {"address": "a:1"})
    assert chosen(tmp_path / "job", "local", {}) == ("ray", {"address": "a:1"})
    kind, options = chosen(tmp_path / "job", "local", {"address": "b:2"})
    assert (kind, options) == ("ray", {"address": "b:2"})
    assert kept(tmp_path / "job") == ("ray", {"address": "a:1"})
    keep(tmp_path / "job", kind, options)
    assert kept(tmp_path / "job") == ("ray", {"address": "b:2"})


def test_options_that_no_executor_could_be_made_with_are_not_kept(tmp_path: Path) -> None:
    corpus.build(corpus.VERSIONS[-1], tmp_path, ["paused-random"])
    directory = Session(tmp_path).job_directory("paused-random")
    keep(directory, "sagemaker", {"interval": "5"})
    for wrong in ({"address": "a:1"}, {"interval": "soon"}):
        with (
            pytest.raises(InputError, match=next(iter(wrong))),
            Session(tmp_path, options=wrong).take("paused-random"),
        ):
            pass
        assert kept(directory) == ("sagemaker", {"interval": "5"})


def test_a_job_of_this_host_cannot_move(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the job runs on this host; it cannot go on with executor 'ray'"):
        chosen(tmp_path, "ray", {})


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it is damaged; restore it from a backup, or start a new job"),
        (b"[]", "it is damaged"),
        (b'{"version": 2, "executor": "ray", "options": {}}', "it was written by a newer hpt; upgrade"),
        (b'{"version": 1, "executor": "ray", "options": 3}', "it is damaged"),
    ],
)
def test_a_damaged_record_is_no_reason_to_run_here(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / CHOICE).write_bytes(content)
    with pytest.raises(StorageError, match=says):
        chosen(tmp_path, "local", {})


def test_an_unknown_one_is_refused() -> None:
    with pytest.raises(InputError, match="executor 'slurm' is not known; use one of local, fresh, ray"):
        check_kind("slurm")
