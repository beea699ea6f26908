"""The training directory, the environment and the arguments of a program (behaviour 16)."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import tarfile
from typing import Any

import pytest

from hpt.errors import InputError
from hpt.executors.base import Submission
from hpt.executors.environment import arguments, build, split_hyperparameters
from hpt.executors.local import specification
from hpt.executors.programs import resolve
from hpt.executors.selection import LIMITS
from hpt.job.config import Channel
from tests.executors.conftest import PYTHON, Workshop, definition

SHOW = (
    PYTHON
    + """
import json, os, sys
base = os.environ["SAGEMAKER_BASE_DIR"]
place = f"{base}/input/config"
config = {name: json.load(open(f"{place}/{name}")) for name in os.listdir(place)}
print(json.dumps({"arguments": sys.argv[1:], "environment": dict(os.environ), "config": config}))
"""
)


def shown(workshop: Workshop, **options: Any) -> dict[str, Any]:
    run = workshop.run(workshop.script(SHOW, "show.py"), **options)
    assert run.exit is not None
    assert run.exit.exit_code == 0, run.log
    return json.loads(run.log)  # type: ignore[no-any-return]


def test_the_configuration_files_hold_what_the_service_puts_there(workshop: Workshop) -> None:
    (workshop.directory / "data").mkdir()
    strings = {"eta": "0.1", "name": "x y", "_tuning_objective_metric": "auc"}
    channel = Channel(
        "train", str(workshop.directory / "data"), content_type="text/csv", input_mode="FastFile"
    )
    config = shown(workshop, hyperparameters=strings, channels=(channel,), instance_type="ml.m5.large")[
        "config"
    ]
    base = workshop.root / "job-001" / "ml"
    assert config["hyperparameters.json"] == strings
    assert config["inputdataconfig.json"] == {
        "train": {
            "TrainingInputMode": "File",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
            "ContentType": "text/csv",
        }
    }
    assert config["resourceconfig.json"] == {
        "current_host": "algo-1",
        "current_instance_type": "ml.m5.large",
        "current_group_name": "homogeneousCluster",
        "current_instance_group": "homogeneousCluster",
        "hosts": ["algo-1"],
        "instance_groups": [
            {"instance_group_name": "homogeneousCluster", "instance_type": "ml.m5.large", "hosts": ["algo-1"]}
        ],
        "network_interface_name": "lo",
    }
    assert config["checkpointconfig.json"] == {"LocalPath": str(base / "checkpoints")}
    for name in ("model", "output/data", "checkpoints", "code", "input/data"):
        assert (base / name).is_dir()


def test_the_environment_is_that_of_the_framework_images(workshop: Workshop) -> None:
    (workshop.directory / "data").mkdir()
    strings = {
        "eta": "0.1",
        "layers": "[64, 32]",
        "tag": "plain text",
        "flag": "true",
        "_tuning_objective_metric": "auc",
        "sagemaker_region": '"eu-west-1"',
        "sagemaker_mpi_enabled": "true",
    }
    result = shown(
        workshop,
        hyperparameters=strings,
        channels=(Channel("train-set", str(workshop.directory / "data")),),
        environment={"MINE": "1", "SM_LOG_LEVEL": "10"},
    )
    environment, base = result["environment"], str(workshop.root / "job-001" / "ml")
    hyperparameters = {"eta": 0.1, "flag": True, "layers": [64, 32], "tag": "plain text"}
    expected = {
        "SAGEMAKER_BASE_DIR": base,
        "TRAINING_JOB_NAME": "job-001",
        "SM_MODEL_DIR": f"{base}/model",
        "SM_OUTPUT_DIR": f"{base}/output",
        "SM_OUTPUT_DATA_DIR": f"{base}/output/data",
        "SM_OUTPUT_INTERMEDIATE_DIR": f"{base}/output/intermediate",
        "SM_INPUT_DIR": f"{base}/input",
        "SM_INPUT_CONFIG_DIR": f"{base}/input/config",
        "SM_CHANNELS": '["train-set"]',
        "SM_CHANNEL_TRAIN-SET": f"{base}/input/data/train-set",
        "SM_HPS": '{"eta":0.1,"flag":true,"layers":[64,32],"tag":"plain text"}',
        "SM_HP_ETA": "0.1",
        "SM_HP_LAYERS": "[64,32]",
        "SM_HP_TAG": "plain text",
        "SM_HP_FLAG": "true",
        "SM_FRAMEWORK_PARAMS": '{"sagemaker_mpi_enabled":true}',
        "SM_HOSTS": '["algo-1"]',
        "SM_CURRENT_HOST": "algo-1",
        "SM_CURRENT_INSTANCE_TYPE": "local",
        "SM_NETWORK_INTERFACE_NAME": "lo",
        "SM_USER_ENTRY_POINT": "show.py",
        "SM_MODULE_NAME": "show",
        "SM_MODULE_DIR": f"{base}/code",
        "SM_LOG_LEVEL": "10",
        "MINE": "1",
        "PYTHONUNBUFFERED": "1",
        "PATH": os.environ["PATH"],
    }
    assert {name: environment.get(name) for name in expected} == expected
    assert environment["TRAINING_JOB_ARN"].endswith(":training-job/job-001")
    assert json.loads(environment["SM_USER_ARGS"]) == result["arguments"]
    assert json.loads(environment["SM_TRAINING_ENV"])["hyperparameters"] == hyperparameters
    assert json.loads(environment["SM_RESOURCE_CONFIG"]) == result["config"]["resourceconfig.json"]
    assert not [name for name in environment if name.startswith(("SM_HP__", "SM_HP_SAGEMAKER"))]
    assert result["arguments"] == [
        "--eta",
        "0.1",
        "--flag",
        "True",
        "--layers",
        "[64, 32]",
        "--tag",
        "plain text",
    ]


def test_arguments_are_sorted_and_one_letter_takes_one_hyphen() -> None:
    own, framework = split_hyperparameters(
        {"b": "2", "alpha": "1e-05", "sagemaker_x": "1", "m": '{"k": 1, "a": 2}'}
    )
    assert arguments(own) == ["--alpha", "1e-05", "-b", "2", "-m", "a=2,k=1"]
    assert framework == {"sagemaker_x": 1}


def test_the_exact_string_of_a_number_survives(workshop: Workshop) -> None:
    for string in ("0.00027401056839555956", "1.3494417573713629e-08", "100.0", "8", "1e-05"):
        result = shown(workshop, name=f"job-{string}", hyperparameters={"x": string})
        assert result["config"]["hyperparameters.json"] == {"x": string}
        assert result["arguments"] == ["-x", string]
        assert result["environment"]["SM_HP_X"] == string


@pytest.mark.parametrize(
    ("inherited", "environment", "parallel", "expected"),
    [
        ({}, {}, 1, max(1, len(os.sched_getaffinity(0)))),
        ({}, {}, 1000, 1),
        ({"OMP_NUM_THREADS": "7"}, {}, 1, 7),
        ({"OMP_NUM_THREADS": "7"}, {"OMP_NUM_THREADS": "3"}, 1, 3),
    ],
)
def test_trials_share_the_cores_unless_set_otherwise(
    inherited: dict[str, str], environment: dict[str, str], parallel: int, expected: int
) -> None:
    spec = specification(Submission("job", 1, {}, definition("/x", environment=environment), parallel))
    assert build("/base", spec, "token", inherited)["OMP_NUM_THREADS"] == str(expected)


# -- channels -----------------------------------------------------------------------------------------------


def listing(workshop: Workshop, *channels: Channel) -> list[str]:
    run = workshop.run(
        workshop.script("cd $SM_INPUT_DIR/data; find -L . -type f | sort"), channels=tuple(channels)
    )
    assert run.exit is not None
    assert run.exit.exit_code == 0, run.exit
    return run.log.decode().split()


def test_a_channel_is_a_directory_a_file_or_a_prefix(workshop: Workshop) -> None:
    data = workshop.directory / "data"
    (data / "train" / "deep").mkdir(parents=True)
    for name in ("train/a.csv", "train/deep/b.csv", "part-1.csv", "part-2.csv", "other.csv"):
        (data / name).write_text(name)
    assert listing(
        workshop,
        Channel("directory", f"{data}/train"),
        Channel("slash", f"file://{data}/train/"),
        Channel("file", f"{data}/other.csv"),
        Channel("prefix", f"{data}/part-"),
    ) == [
        "./directory/a.csv",
        "./directory/deep/b.csv",
        "./file/other.csv",
        "./prefix/part-1.csv",
        "./prefix/part-2.csv",
        "./slash/a.csv",
        "./slash/deep/b.csv",
    ]


def test_a_channel_without_data_fails_before_the_program(workshop: Workshop) -> None:
    absent = workshop.directory / "absent" / "train"
    run = workshop.run(workshop.script("echo never"), channels=(Channel("train", str(absent)),))
    assert run.exit is not None
    assert run.exit.reason == f"channel 'train': nothing is found at {absent}; correct the channel's S3Uri"
    assert (run.exit.outcome, run.log) == ("Exited", b"")


# -- checkpoints --------------------------------------------------------------------------------------------


def test_a_checkpoint_directory_of_the_users_is_split_by_training_job(workshop: Workshop) -> None:
    script = workshop.script(
        "ls $SAGEMAKER_BASE_DIR/ck/here; echo 1 > $SAGEMAKER_BASE_DIR/ck/here/$TRAINING_JOB_NAME"
    )
    place = workshop.directory / "checkpoints"
    for name in ("job-001", "job-002"):
        workshop.run(script, name=name, checkpoint_uri=str(place), checkpoint_local_path="/opt/ml/ck/here/")
    assert sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()) == [
        "job-001/job-001",
        "job-002/job-002",
    ]
    again = workshop.run(
        script, attempt=2, checkpoint_uri=f"file://{place}", checkpoint_local_path="/opt/ml/ck/here/"
    )
    assert again.log == b"job-001\n"


def test_a_checkpoint_path_outside_the_container_is_kept_inside_the_training_directory(
    workshop: Workshop,
) -> None:
    result = shown(workshop, checkpoint_local_path="/tmp/elsewhere")
    assert result["config"]["checkpointconfig.json"] == {
        "LocalPath": str(workshop.root / "job-001/ml/checkpoints")
    }


def test_a_checkpoint_place_that_is_a_file_is_explained(workshop: Workshop) -> None:
    place = workshop.directory / "file"
    place.write_text("")
    run = workshop.run("/bin/true", checkpoint_uri=str(place))
    assert run.exit is not None
    assert "checkpoints cannot be kept in" in run.exit.reason
    assert run.exit.outcome == "Exited"


# -- code ---------------------------------------------------------------------------------------------------


def test_programs_see_their_neighbours_and_write_to_directories_of_their_own(workshop: Workshop) -> None:
    (workshop.directory / "programs" / "table.csv").write_text("1,2\n")
    (workshop.directory / "programs" / ".hidden").write_text("")
    script = workshop.script("cat table.csv; pwd; ls -A; echo mine > result.txt")
    run = workshop.run(script)
    code = workshop.base(run) / "code"
    assert run.log.decode().split() == ["1,2", str(code), "table.csv", "train.sh"]
    assert (code / "result.txt").read_text() == "mine\n"
    assert not (workshop.directory / "programs" / "result.txt").exists()


def test_a_program_among_very_many_files_is_shown_them_where_they_are_its_declared_source(
    workshop: Workshop,
) -> None:
    crowd = workshop.directory / "programs"
    for number in range(LIMITS.entries + 1):
        (crowd / f"file-{number}").write_text("")
    assert workshop.run(workshop.script("ls | wc -l")).log == b"1\n"
    strings = {"sagemaker_program": "train.sh", "sagemaker_submit_directory": str(crowd)}
    seen = f"{LIMITS.entries + 2}\n".encode()
    assert workshop.run("some/image", name="job-002", hyperparameters=strings).log == seen


@pytest.mark.parametrize("form", ["directory", "archive"])
def test_script_mode_runs_the_entry_point_from_its_source(workshop: Workshop, form: str) -> None:
    source = workshop.directory / "source"
    (source / "package").mkdir(parents=True)
    (source / "package" / "__init__.py").write_text("WORD = 'hello'")
    (source / "train.py").write_text(
        "import os, sys, package; print(package.WORD, sys.argv[1:], os.getcwd())"
    )
    if form == "archive":
        with tarfile.open(workshop.directory / "source.tar.gz", "w:gz") as tar:
            for path in source.iterdir():
                tar.add(path, path.name)
        source = workshop.directory / "source.tar.gz"
    strings = {
        "sagemaker_program": '"train.py"',
        "sagemaker_submit_directory": json.dumps(str(source)),
        "lr": "0.5",
    }
    run = workshop.run("123456789012.dkr.ecr.us-east-1.amazonaws.com/pytorch:2.3", hyperparameters=strings)
    assert run.log.decode() == f"hello ['--lr', '0.5'] {workshop.base(run)}/code\n"


def test_an_archive_that_would_leave_its_directory_is_refused(workshop: Workshop) -> None:
    archive = workshop.directory / "source.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        entry = tarfile.TarInfo("../../../escaped")
        entry.size = 2
        tar.addfile(entry, io.BytesIO(b"hi"))
    strings = {"sagemaker_program": "train.py", "sagemaker_submit_directory": str(archive)}
    run = workshop.run("image", hyperparameters=strings)
    assert run.exit is not None
    assert str(archive) in run.exit.reason
    assert not list(workshop.directory.rglob("escaped"))
    archive.write_text("not an archive")
    damaged = workshop.run("image", name="job-002", hyperparameters=strings)
    assert damaged.exit is not None
    assert f"{archive} cannot be unpacked" in damaged.exit.reason


@pytest.mark.parametrize("source", ["absent", "absent.tar.gz"])
def test_a_source_that_is_missing_is_named(workshop: Workshop, source: str) -> None:
    strings = {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": str(workshop.directory / source),
    }
    run = workshop.run("image", hyperparameters=strings)
    assert run.exit is not None
    assert (
        f"{workshop.directory / source} is not found; correct sagemaker_submit_directory" in run.exit.reason
    )


# -- results ------------------------------------------------------------------------------------------------

LEAVE = """
mkdir -p $SM_MODEL_DIR/deep; echo w > $SM_MODEL_DIR/deep/weights; echo t > $SM_OUTPUT_DATA_DIR/table
exit $SM_HP_CODE
"""


def test_results_are_packed_where_the_job_wants_them(workshop: Workshop) -> None:
    results = workshop.directory / "results"
    run = workshop.run(
        workshop.script(LEAVE), hyperparameters={"code": "0"}, output_path=f"file://{results}/"
    )
    assert run.exit is not None
    assert run.exit.model == f"{results}/job-001/output/model.tar.gz"
    assert "Uploading" in run.updates[-1].times
    with tarfile.open(run.exit.model) as tar:
        assert sorted(tar.getnames()) == ["deep", "deep/weights"]
    with tarfile.open(results / "job-001/output/output.tar.gz") as tar:
        assert tar.getnames() == ["table"]


def test_a_failed_run_stores_its_data_but_no_model(workshop: Workshop) -> None:
    results = workshop.directory / "results"
    run = workshop.run(workshop.script(LEAVE), hyperparameters={"code": "1"}, output_path=str(results))
    assert run.exit is not None
    assert (run.exit.exit_code, run.exit.model) == (1, None)
    assert [path.name for path in results.rglob("*.tar.gz")] == ["output.tar.gz"]


def test_without_an_output_path_the_model_stays_where_it_was_written(workshop: Workshop) -> None:
    script = workshop.script(LEAVE)
    good = workshop.run(script, hyperparameters={"code": "0"})
    assert good.exit is not None
    assert good.exit.model == str(workshop.base(good) / "model")
    bad = workshop.run(script, name="job-002", hyperparameters={"code": "1"})
    assert bad.exit is not None
    assert bad.exit.model is None


def test_results_that_cannot_be_stored_are_the_hosts_failure(workshop: Workshop) -> None:
    (workshop.directory / "file").write_text("")
    run = workshop.run(
        workshop.script(LEAVE), hyperparameters={"code": "0"}, output_path=str(workshop.directory / "file")
    )
    assert run.exit is not None
    assert run.exit.outcome == "Lost"
    assert run.exit.reason.startswith(f"the results could not be stored in {workshop.directory}/file: ")


# -- programs -----------------------------------------------------------------------------------------------


def test_images_become_commands() -> None:
    script = resolve("/p/train.py", {})
    assert (script.command, script.source, script.in_code) == ((sys.executable, "train.py"), "/p", True)
    assert resolve("file:///p/train", {}).command == ("train",)
    installed = resolve("/bin/true", {})
    assert (installed.command, installed.source, installed.in_code) == (("/bin/true",), None, False)
    assert resolve("module:a.b", {}).command == (sys.executable, "-m", "a.b")
    assert resolve("module:a.b?/some/file", {}).command == (sys.executable, "-m", "a.b", "/some/file")
    for image in ("xgboost", "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"):
        program = resolve(image, {})
        assert program.command == (sys.executable, "-m", "hpt.algorithms.xgboost")
        assert (program.needs_library, program.takes_arguments) == (True, False)
    with pytest.raises(InputError, match=r"'train\.py' is neither a local program nor a built-in algorithm"):
        resolve("train.py", {})
    with pytest.raises(InputError, match="needs sagemaker_submit_directory"):
        resolve("image", {"sagemaker_program": "train.py"})


def test_modules_find_the_library_wherever_it_lies(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    run = workshop.run("module:hpt.errors", environment={"PYTHONPATH": str(workshop.directory)})
    assert run.exit is not None
    assert run.exit.exit_code == 0, run.log


def test_what_exec_does_not_allow_is_explained(workshop: Workshop) -> None:
    run = workshop.run("/bin/true", hyperparameters={"x": "y\0z"})
    assert run.exit is not None
    assert "its environment or arguments hold forbidden characters" in run.exit.reason
    long = workshop.run("/bin/true", name="job-002", hyperparameters={"x": "y" * 200_000})
    assert long.exit is not None
    assert "too long to be passed" in long.exit.reason
    assert (long.exit.outcome, long.exit.exit_code) == ("Exited", None)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("-6.5e-05", "-0.000065"),
        ("-6.474e-05", "-0.00006474"),
        ("-1e+20", "-100000000000000000000.0"),
        ("-1.5E3", "-1500.0"),
        ("-.5e-3", "-0.0005"),  # not JSON, and a number to every program
        ("-5.", "-5.0"),
        ("-0.5", "-0.5"),
        ("-3", "-3"),
        ("6.5e-05", "6.5e-05"),  # a positive one is no option
        ("-x", "-x"),
    ],
)
def test_a_negative_number_is_no_option_to_argparse(value: str, written: str) -> None:
    own, _ = split_hyperparameters({"shift": value})
    assert arguments(own) == ["--shift", written]


@pytest.mark.parametrize("value", [-5e-324, -1.7976931348623157e308, -2.2250738585072014e-308, -1 / 3e7])
def test_a_negative_number_reads_back_to_the_same_bits(value: float) -> None:
    written = arguments({"shift": value})[1]
    assert float(written) == value
    assert re.fullmatch(r"-\d+\.\d+", written)


def test_programs_of_any_parser_read_small_negative_numbers(workshop: Workshop) -> None:
    program = workshop.script(
        PYTHON
        + """
import argparse, json, os, sys
parser = argparse.ArgumentParser()
parser.add_argument("--shift", type=float)
parser.add_argument("-b", type=float)
parser.add_argument("--more", type=float, nargs="*")
read = vars(parser.parse_args())
by_hand = float(sys.argv[sys.argv.index("--shift") + 1])
print(json.dumps([read, by_hand, os.environ["SM_HP_SHIFT"]]))
""",
        "read.py",
    )
    run = workshop.run(program, hyperparameters={"shift": "-6.474e-05", "b": "-1e-7", "more": "-1e+16"})
    assert run.exit is not None and run.exit.exit_code == 0, run.log
    assert json.loads(run.log) == [
        {"shift": -6.474e-05, "b": -1e-7, "more": [-1e16]},
        -6.474e-05,
        "-6.474e-05",
    ]
