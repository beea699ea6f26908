"""Results are stored whole or not at all."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpt.executors import artifacts
from tests import prerequisites
from tests.executors.conftest import Workshop

SAVE = "head -c 3000000 /dev/urandom > $SM_MODEL_DIR/weights"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "deep").mkdir(parents=True)
    (folder / "weights").write_bytes(b"1")
    (folder / "deep/more").write_bytes(b"2")
    (folder / "latest").symlink_to("weights")
    return folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with prerequisites.small_disk(tmp_path / "disk", "size=1m") as place:
        yield place


def stored(tmp_path: Path, model: Path, compression: str) -> Path:
    places = artifacts.store(
        str(tmp_path / "out"), "job", str(tmp_path), [("model", str(model))], compression
    )
    return Path(places["model"])


def test_an_archive_holds_what_the_model_is(tmp_path: Path, model: Path) -> None:
    place = stored(tmp_path, model, "GZIP")
    assert place == tmp_path / "out/job/output/model.tar.gz"
    with tarfile.open(place) as tar:
        assert sorted(tar.getnames()) == ["deep", "deep/more", "latest", "weights"]


def test_plain_files_are_copies(tmp_path: Path, model: Path) -> None:
    place = stored(tmp_path, model, "NONE")
    assert place == tmp_path / "out/job/output/model"
    assert sorted(artifacts.files_below(str(place))) == ["deep/more", "latest", "weights"]
    (model / "weights").write_bytes(b"changed")
    assert (place / "latest").read_bytes() == b"1"


def test_links_are_followed_within_the_model_only(tmp_path: Path, model: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/large").touch()
    (model / "last").symlink_to("deep")
    (model / "deep/round").symlink_to("..")
    (model / "out").symlink_to(tmp_path / "elsewhere")
    (model / "broken").symlink_to("nowhere")
    os.mkfifo(model / "fifo")
    assert list(artifacts.files_below(str(model))) == ["deep/more", "last/more", "latest", "weights"]


@pytest.mark.parametrize("compression", ["GZIP", "NONE"])
def test_a_later_attempt_replaces_the_results_and_clears_what_a_killed_one_left(
    tmp_path: Path, model: Path, compression: str
) -> None:
    place = stored(tmp_path, model, compression)
    (place.parent / "model.tar.gz.77.tmp").write_bytes(b"half")
    (place.parent / "model.77.tmp/deep").mkdir(parents=True)
    (model / "deep/more").unlink()
    stored(tmp_path, model, compression)
    left = {"model.tar.gz", "model.77.tmp"} if compression == "GZIP" else {"model"}
    assert {path.name for path in place.parent.iterdir()} == left
    if compression == "NONE":
        assert sorted(artifacts.files_below(str(place))) == ["latest", "weights"]


@pytest.mark.parametrize("compression", ["GZIP", "NONE"])
def test_a_disk_that_is_full_loses_the_attempt_and_keeps_no_half(
    workshop: Workshop, small_disk: Path, compression: str
) -> None:
    run = workshop.run(workshop.script(SAVE), output_path=str(small_disk), output_compression=compression)
    assert run.exit is not None
    assert run.exit.outcome == "Lost"
    assert run.exit.reason.startswith(f"the results could not be stored in {small_disk}: ")
    assert "No space left on device" in run.exit.reason
    assert run.exit.model is None
    assert [name for _, _, names in os.walk(small_disk) for name in names] == []


def test_a_failed_training_job_keeps_its_data_and_no_model(workshop: Workshop) -> None:
    out = workshop.directory / "out"
    script = workshop.script("echo m > $SM_MODEL_DIR/m; echo d > $SM_OUTPUT_DATA_DIR/d; exit 1")
    workshop.run(script, output_path=str(out), output_compression="NONE")
    assert list(artifacts.files_below(str(out))) == ["job-001/output/data/d"]
