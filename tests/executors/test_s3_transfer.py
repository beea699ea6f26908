"""Channels, sources, checkpoints and results on S3, against moto's S3 server in a process of its own."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from hpt.executors import contract
from hpt.executors import s3_transfer as transfer
from hpt.executors.base import Submission
from hpt.executors.local import specification
from hpt.executors.s3_transfer import TransferError, relative_name
from hpt.job.config import Channel
from tests.executors.conftest import Workshop, definition


def keys(s3: Any) -> list[str]:
    return sorted(entry["Key"] for entry in s3.list_objects_v2(Bucket="bucket").get("Contents", ()))


def test_channels_come_down_and_results_go_up(workshop: Workshop, s3: Any) -> None:
    for key in ("data/train/a.csv", "data/train/deep/b.csv", "data/train.csv", "data/other.csv"):
        s3.put_object(Bucket="bucket", Key=key, Body=key.encode())
    s3.put_object(Bucket="bucket", Key="data/train/", Body=b"")
    script = workshop.script(
        """
        cd $SM_INPUT_DIR/data && find . -type f | sort && cat one/train.csv && echo
        echo weights > $SM_MODEL_DIR/weights; echo table > $SM_OUTPUT_DATA_DIR/table
        """
    )
    channels = (Channel("train", "s3://bucket/data/train/"), Channel("one", "s3://bucket/data/train.csv"))
    run = workshop.run(script, channels=channels, output_path="s3://bucket/results/")
    assert run.log.decode().split() == [
        "./one/train.csv",
        "./train/a.csv",
        "./train/deep/b.csv",
        "data/train.csv",
    ]
    assert run.exit is not None
    assert (run.exit.outcome, run.exit.exit_code) == ("Exited", 0), run.exit
    assert run.exit.model == "s3://bucket/results/job-001/output/model.tar.gz"
    assert list(run.updates[-1].times) == ["Starting", "Downloading", "Training", "Uploading", "Ended"]
    body = s3.get_object(Bucket="bucket", Key="results/job-001/output/model.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        assert tar.getnames() == ["weights"]
    assert "results/job-001/output/output.tar.gz" in keys(s3)


def test_a_script_comes_from_an_archive_on_s3(workshop: Workshop, s3: Any) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        body = b"import helper, sys; print(helper.WORD, sys.argv[1:])"
        for name, content in (("train.py", body), ("helper.py", b"WORD = 'hello'")):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    s3.put_object(Bucket="bucket", Key="code/source.tar.gz", Body=archive.getvalue())
    hyperparameters = {
        "sagemaker_program": '"train.py"',
        "sagemaker_submit_directory": '"s3://bucket/code/source.tar.gz"',
        "lr": "0.5",
    }
    run = workshop.run(
        "123456789012.dkr.ecr.us-east-1.amazonaws.com/pytorch:2.3", hyperparameters=hyperparameters
    )
    assert run.log == b"hello ['--lr', '0.5']\n"


def test_checkpoints_go_up_per_training_job_and_come_down_again(workshop: Workshop, s3: Any) -> None:
    s3.put_object(Bucket="bucket", Key="ck/job-001/epoch-1", Body=b"one")
    s3.put_object(Bucket="bucket", Key="ck/job-002/epoch-9", Body=b"another's")
    script = workshop.script(
        """
        cd $SAGEMAKER_BASE_DIR/checkpoints && ls
        rm epoch-1; echo two > epoch-2; echo mark > epoch-2.sagemaker-uploaded
        """
    )
    run = workshop.run(script, checkpoint_uri="s3://bucket/ck")
    assert run.log == b"epoch-1\n"
    assert run.exit is not None
    assert run.exit.exit_code == 0
    assert keys(s3) == ["ck/job-001/epoch-2", "ck/job-002/epoch-9"]


def test_a_channel_without_data_fails_the_training_job(workshop: Workshop, s3: Any) -> None:
    uri = "s3://bucket/nothing/here"
    run = workshop.run(workshop.script("echo never"), channels=(Channel("train", uri),))
    assert run.exit is not None
    assert (run.exit.outcome, run.exit.exit_code, run.log) == ("Exited", None, b"")
    assert run.exit.reason == (
        f"the download failed: channel 'train': nothing is found at {uri}; correct its S3Uri"
    )


def test_an_unreachable_store_is_the_hosts_failure(
    workshop: Workshop, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    run = workshop.run(workshop.script("echo never"), channels=(Channel("train", "s3://bucket/x"),))
    assert run.exit is not None
    assert run.exit.outcome == "Lost"
    assert "Could not connect" in run.exit.reason


def _download_here(tmp_path: Path, uri: str) -> int:
    specified = specification(
        Submission("job-001", 1, {}, definition("/x", channels=(Channel("train", uri),)))
    )
    (tmp_path / "spec.json").write_text(json.dumps(specified))
    return transfer.main("download", tmp_path, tmp_path / "ml")


def test_what_the_user_can_fix_is_distinguished(
    tmp_path: Path, s3: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _download_here(tmp_path, "s3://no-such-bucket/x") == contract.TRANSFER_REFUSED
    assert "NoSuchBucket" in capsys.readouterr().out
    s3.put_object(Bucket="bucket", Key="a/b", Body=b"1")
    (tmp_path / "ml").write_text("no directory")
    assert _download_here(tmp_path, "s3://bucket/a") not in (0, contract.TRANSFER_REFUSED)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    assert _download_here(tmp_path, "s3://bucket/x") == contract.TRANSFER_REFUSED
    assert "set AWS_PROFILE" in capsys.readouterr().out


def test_a_stop_cuts_a_download_short(workshop: Workshop, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # A server that accepts connections and says nothing.
    code = (
        "import socket, time; server = socket.create_server(('127.0.0.1', 0))\n"
        "print(server.getsockname()[1], flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as silent:
        assert silent.stdout is not None
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.stdout.readline().strip()}")
        run = workshop.start(workshop.script("echo never"), channels=(Channel("train", "s3://bucket/x"),))
        workshop.until(run, lambda run: run.phase == "Downloading")
        time.sleep(0.1)
        workshop.executor.stop(run.key)
        workshop.finish(run, within=3)
        silent.kill()
    assert run.exit is not None
    assert (run.exit.stopped, run.exit.reason) == (True, "stopped before the program started")


@pytest.mark.parametrize(
    ("key", "prefix", "name"),
    [
        ("data/train/a.csv", "data/train/", "a.csv"),
        ("data/train/x/a.csv", "data/train", "x/a.csv"),
        ("data/train.csv", "data/train.csv", "train.csv"),
        ("data/train-1.csv", "data/tr", "train-1.csv"),
        ("a.csv", "", "a.csv"),
    ],
)
def test_objects_keep_their_place_below_the_prefix(key: str, prefix: str, name: str) -> None:
    assert relative_name(key, prefix) == name


def test_keys_that_would_leave_the_directory_are_refused() -> None:
    for key in ("data/../../etc/passwd", "data//etc/passwd"):
        with pytest.raises(TransferError, match="would leave the directory"):
            relative_name(key, "data/")
