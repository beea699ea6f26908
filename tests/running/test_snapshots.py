"""A tuning job runs its programs as they were when it was created."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpt.errors import InputError, JobExistsError, StorageError
from hpt.executors import snapshot
from hpt.job.config import (
    Channel,
    JobConfig,
    MetricDefinition,
    Objective,
    ResourceLimits,
    TrainingJobDefinition,
)
from hpt.job.document import from_document, to_document
from hpt.running.session import Again, Session
from hpt.running.snapshots import bytes_of, shown
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.trial import ObjectiveType


@pytest.fixture
def project(tmp_path: Path) -> Path:
    place = tmp_path / "project"
    place.mkdir()
    (place / "helper.sh").write_text("loss=$SM_HP_X\n")
    write_program(place, "train.sh")
    return place


def write_program(place: Path, name: str, content: str | None = None) -> Path:
    program = place / name
    program.write_text(
        content
        or "#!/bin/sh\n. ./helper.sh\ncat model.txt 2>/dev/null\necho $TRAINING_JOB_NAME > model.txt\n"
        'echo "loss=$loss;"\n'
    )
    program.chmod(0o755)
    return program


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    opened = Session(tmp_path / "state")
    yield opened
    opened.close()


def config(program: Path | str, jobs: int = 2, **changes: Any) -> JobConfig:
    definition = TrainingJobDefinition(
        training_image=str(program),
        space=SearchSpace([ContinuousParameter("x", 0, 1)]),
        objective=Objective("loss", ObjectiveType.MINIMIZE),
        metric_definitions=(MetricDefinition("loss", r"loss=(.*?);"),),
    )
    limits = ResourceLimits(jobs, 2)
    return JobConfig("job", "Random", replace(definition, **changes), limits, seed=1)


def logs(session: Session) -> list[str]:
    place = session.job_directory("job") / "trials"
    return [path.read_text() for path in sorted(place.glob("*/attempts/*/log"))]


def test_every_training_job_has_its_own_files_and_the_users_stay(session: Session, project: Path) -> None:
    """A program that was run by hand leaves its model beside it."""
    (project / "model.txt").write_text("by hand\n")
    run = session.start(config(project / "train.sh", jobs=4))
    run.follow()
    assert session.load("job")[2].training_counters["Completed"] == 4
    assert (project / "model.txt").read_text() == "by hand\n"
    assert sorted(path.name for path in project.iterdir()) == ["helper.sh", "model.txt", "train.sh"]
    codes = sorted((run.directory / "trials").glob("*/ml/code"))
    assert [[path.name for path in code.iterdir()] for code in codes] == [["model.txt"]] * 4
    assert [(code / "model.txt").read_text().strip() for code in codes] == [
        code.parent.parent.name for code in codes
    ]
    assert all(log.startswith("by hand\n") for log in logs(session))


def test_what_is_edited_meanwhile_changes_nothing(session: Session, project: Path) -> None:
    stored = session.create(config(project / "train.sh", jobs=3))
    write_program(project, "train.sh", "#!/bin/sh\nexit 3\n")
    (project / "helper.sh").unlink()
    assert session.run("job").follow() is False
    assert session.load("job")[2].training_counters["Completed"] == 3
    assert stored.definition.snapshot is not None
    shutil.rmtree(project)
    assert session.program_notes("job")  # says that it is gone


def test_a_job_that_goes_on_says_what_changed_since(session: Session, project: Path) -> None:
    described = config(project / "train.sh")
    session.create(described)
    assert list(session.start(described, again=Again.SAME).notes) == []
    (project / "helper.sh").write_text("loss=1\n")
    (project / "new").write_text("")
    [note] = session.start(described, again=Again.NEXT).notes
    assert "have changed since (helper.sh, new): tuning job job runs what it took at 2" in note
    shutil.rmtree(project)
    [note] = session.program_notes("job")
    assert "is not found" in note


def test_the_digest_is_stored_and_is_no_part_of_the_description(session: Session, project: Path) -> None:
    described = config(project / "train.sh")
    stored = session.create(described)
    digest = stored.definition.snapshot
    assert session.config("job").definition.snapshot == digest
    assert described.definition.snapshot is None
    assert stored == described
    old = to_document(described)
    del old["definition"]["snapshot"]  # of an earlier version
    assert from_document(old).definition.snapshot is None


def test_a_job_without_a_snapshot_runs_what_is_there(
    session: Session, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As jobs of earlier versions, but on copies."""
    (project / "model.txt").write_text("by hand\n")
    described = config(project / "train.sh")
    session.storage.create("job", to_document(described), 1.0, ())
    (project / "helper.sh").write_text("loss=7\n")
    session.run("job").follow()
    assert session.load("job")[2].training_counters["Completed"] == 2
    assert logs(session) == ["by hand\nloss=7;\n"] * 2
    assert (project / "model.txt").read_text() == "by hand\n"
    assert not (session.job_directory("job") / "program").exists()
    for code in (session.job_directory("job") / "trials").glob("*/ml/code"):
        assert [path.name for path in code.iterdir()] == ["model.txt"]


def test_a_missing_snapshot_is_an_error_before_anything_runs(session: Session, project: Path) -> None:
    session.create(config(project / "train.sh"))
    [place] = (session.job_directory("job") / "program").iterdir()
    (place / "files" / "helper.sh").unlink()
    with pytest.raises(StorageError, match="missing or damaged"):
        session.run("job").follow()
    assert session.load("job")[2].launched == 0
    assert session.storage.read("job")[0].owner_pid is None
    session.run("job").stop()
    session.run("job").follow()  # to stop it, and to look at it later, it is not needed
    session.run("job").follow()
    assert session.load("job")[2].status == "Stopped"


def test_a_program_that_is_not_there_is_refused_and_nothing_is_made(session: Session, project: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.sh is not found"):
        session.create(config(project / "absent.sh"))
    assert not session.job_directory("job").exists()
    scripted = {"sagemaker_program": "absent.py", "sagemaker_submit_directory": str(project)}
    with pytest.raises(InputError, match=r"absent\.py is not found"):
        session.create(config("any/image:1", hyperparameters=scripted))
    assert not session.holds("job")


def test_a_taken_name_leaves_the_other_jobs_snapshot_alone(session: Session, project: Path) -> None:
    session.create(config(project / "train.sh"))
    before = sorted((session.job_directory("job") / "program").rglob("*"))
    (project / "helper.sh").write_text("loss=1\n")
    with pytest.raises(JobExistsError):
        session.create(config(project / "train.sh"))
    assert sorted((session.job_directory("job") / "program").rglob("*")) == before


@pytest.mark.parametrize("image", ["module:hpt.functions.worker?x", "xgboost", "/bin/true"])
def test_what_is_no_file_of_the_users_has_no_snapshot(session: Session, image: str) -> None:
    assert session.create(config(image)).definition.snapshot is None
    assert not (session.job_directory("job") / "program").exists()


def test_a_source_on_s3_is_downloaded_for_each_training_job(session: Session) -> None:
    scripted = {"sagemaker_program": "a.py", "sagemaker_submit_directory": "s3://bucket/sourcedir.tar.gz"}
    run = session.start(config("image:1", hyperparameters=scripted), request={"x": 1})
    assert session.config("job").definition.snapshot is None
    assert [note for note in run.notes if "s3://bucket/sourcedir.tar.gz is downloaded" in note]


@pytest.mark.parametrize("form", ["folder", "file://", "archive"])
def test_script_mode_runs_from_its_snapshot(session: Session, project: Path, form: str) -> None:
    (project / "src").mkdir()
    write_program(project / "src", "run.sh", '#!/bin/sh\n. ./helper.sh\necho "loss=$loss;"\n')
    place = str(project)
    if form == "archive":
        place = f"{project}.tar.gz"
        with tarfile.open(place, "w:gz") as tar:
            tar.add(project, ".")
    scripted = {
        "sagemaker_program": '"src/run.sh"',
        "sagemaker_submit_directory": f"file://{place}" if form == "file://" else place,
    }
    session.create(config("any/image:1", hyperparameters=scripted))
    shutil.rmtree(project)
    if form == "archive":
        Path(place).unlink()
    session.run("job").follow()
    assert session.load("job")[2].training_counters["Completed"] == 2
    for code in (session.job_directory("job") / "trials").glob("*/ml/code"):
        assert list(code.iterdir()) == []


def test_a_multi_algorithm_job_takes_a_folder_once(session: Session, project: Path) -> None:
    write_program(project, "other.sh")
    first = config(project / "train.sh").definition
    definitions = tuple(
        replace(first, name=name, training_image=str(project / f"{name}.sh")) for name in ("train", "other")
    )
    both = replace(config(project / "train.sh"), definition=definitions[0], definitions=definitions)
    stored = session.create(both)
    assert len({each.snapshot for each in stored.definitions}) == 1
    assert len(list((session.job_directory("job") / "program").iterdir())) == 1
    assert stored.definition.snapshot == stored.definitions[0].snapshot


def test_state_results_and_channels_beside_the_program_are_not_copied(project: Path) -> None:
    for name in ("state/old/trials", "results/old", "data"):
        (project / name).mkdir(parents=True)
        (project / name / "file").write_text("")
    session = Session(project / "state")
    described = config(
        project / "train.sh",
        output_path=f"file://{project}/results/",
        channels=(Channel("train", str(project / "data")),),
    )
    run = session.start(described, request={"x": 1})
    [taken] = (run.directory / "program").iterdir()
    found = snapshot.read(taken)
    assert found is not None
    assert [row[0] for row in found.manifest["files"]] == ["helper.sh", "train.sh"]
    assert [each[0] for each in found.manifest["shared"]] == ["data"]
    assert not run.notes
    session.close()


def test_what_is_shared_or_missing_is_said_once(session: Session, project: Path) -> None:
    os.truncate(os.open(project / "weights.bin", os.O_CREAT | os.O_WRONLY), 20_000_000)
    run = session.start(config(project / "train.sh"), request={"x": 1})
    [note] = run.notes
    assert session.program_notes("job") == []
    os.utime(project / "weights.bin", (1, 1))
    assert "have changed since (weights.bin)" in session.program_notes("job")[0]
    assert note == (
        f"weights.bin (20.0 MB) in {project} is shared by all training jobs, not copied: one that writes "
        "there changes it for all, and for you"
    )


def test_a_program_among_too_many_files_is_told_so(session: Session, project: Path) -> None:
    for number in range(2100):
        (project / f"{number}.txt").write_text("")
    [note] = session.start(config(project / "train.sh"), request={"x": 1}).notes
    assert "train.sh runs without the files beside it" in note
    assert "move it into a folder of its own" in note


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.py", "import sys\nROOT = Path(__file__).resolve().parent.parent\n", 2),
        ("a.py", "sys.path.insert(0, os.path.dirname(os.path.dirname(__file__)))\n", 1),
        ("a.py", "DATA = Path(__file__).parents[1] / 'data'\n", 1),
        ("a.py", "DATA = os.path.join(os.path.dirname(__file__), '..', 'data')\n", 1),
        ("a.sh", '#!/bin/sh\ncd "$(dirname "$0")/.."\n', 2),
        ("a.py", "DATA = Path(__file__).parent / 'data'\nprint('../..')\n", None),
    ],
)
def test_a_program_that_looks_above_its_folder_is_told(
    session: Session, project: Path, name: str, content: str, line: int | None
) -> None:
    program = write_program(project, name, content)
    notes = session.start(config(program), request={"x": 1}).notes
    if line is None:
        assert not notes
        return
    assert f"{name}, line {line}, looks above its own folder" in notes[0]
    assert f"sagemaker_submit_directory: {project.parent} and sagemaker_program: project/{name}" in notes[0]


def test_a_program_that_is_a_link_to_another_folder_is_told(session: Session, project: Path) -> None:
    (project / "linked").mkdir()
    (project / "linked" / "train.sh").symlink_to("../train.sh")
    [note] = session.start(config(project / "linked" / "train.sh"), request={"x": 1}).notes
    assert f"train.sh is a link to a program in {project}" in note
    (project / "same.sh").symlink_to("train.sh")
    assert not session.start(replace(config(project / "same.sh"), name="other"), request={"x": 1}).notes


def test_sizes_and_paths_are_shown_to_people() -> None:
    sizes = (0, 1, 999, 1000, 999_949, 999_950, 1_234_567_890)
    assert [bytes_of(size) for size in sizes] == [
        *("0 bytes", "1 byte", "999 bytes", "1.0 kB", "999.9 kB", "1.0 MB", "1.2 GB")
    ]
    assert shown("caf\udce9 \x1b[31m\n") == "caf\\xe9 \\x1b[31m\\n"
    assert shown("café") == "café"
