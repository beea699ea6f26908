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

from hpt.executors import artifacts, contract, outcome
from hpt.executors import s3_transfer as transfer
from hpt.executors.base import Submission
from hpt.executors.channels import provide
from hpt.executors.contract import ContractError
from hpt.executors.local import specification
from hpt.executors.s3_source import S3Source, relative_name
from hpt.job.config import Channel
from tests.executors.conftest import Workshop, definition
from tests.executors.test_channels import channel
from tests.executors.test_feed import Epochs


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
    hidden = "ck/job-001/.hpt/job-001/000001/filled"
    assert keys(s3) == [hidden, "ck/job-001/epoch-2", "ck/job-002/epoch-9"]


def test_a_channel_without_data_fails_the_training_job(workshop: Workshop, s3: Any) -> None:
    uri = "s3://bucket/nothing/here"
    run = workshop.run(workshop.script("echo never"), channels=(Channel("train", uri),))
    assert run.exit is not None
    assert (run.exit.outcome, run.exit.exit_code, run.log) == ("Exited", None, b"")
    assert run.exit.reason == (
        f"the download failed: channel 'train': nothing is found at {uri}; correct the channel's S3Uri"
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
        with pytest.raises(ContractError, match="would leave the directory"):
            relative_name(key, "data/")


def _objects(s3: Any, *names: str) -> None:
    for name in names:
        s3.put_object(Bucket="bucket", Key=f"data/{name}", Body=f"{name} ".encode())


def _manifest(s3: Any, *names: str) -> str:
    body = json.dumps([{"prefix": "s3://bucket/data/"}, *names])
    s3.put_object(Bucket="bucket", Key="list.json", Body=body.encode())
    return "s3://bucket/list.json"


def _downloaded(s3: Any, place: Path, given: Channel, host: int = 0, hosts: int = 1) -> list[str]:
    spec = specification(Submission("job-001", 1, {}, definition("/x", channels=(given,))))
    (place / "input/data").mkdir(parents=True)
    provide(str(place), spec, host, hosts)
    transfer.download(s3, spec, place, host, hosts)
    return sorted(str(path.relative_to(place / "input/data")) for path in place.rglob("*") if path.is_file())


def test_the_objects_of_a_manifest_come_down_by_their_names(tmp_path: Path, s3: Any) -> None:
    _objects(s3, "a", "deep/b", "c")
    given = Channel("train", _manifest(s3, "deep/b", "a"), data_type="ManifestFile")
    assert _downloaded(s3, tmp_path / "1", given) == ["train/a", "train/deep/b"]
    local = tmp_path / "list.json"
    local.write_text(json.dumps([{"prefix": "s3://bucket/data/"}, "deep/b"]))
    given = Channel("train", str(local), data_type="ManifestFile")
    assert _downloaded(s3, tmp_path / "2", given) == ["train/deep/b"]
    specified = specification(Submission("job-001", 1, {}, definition("/x", channels=(given,))))
    assert outcome.needs_transfer(specified)


def test_hosts_download_their_share(tmp_path: Path, s3: Any) -> None:
    _objects(s3, "a", "b", "c")
    given = Channel("train", "s3://bucket/data/", distribution="ShardedByS3Key")
    assert _downloaded(s3, tmp_path / "0", given, 0, 2) == ["train/a", "train/c"]
    assert _downloaded(s3, tmp_path / "1", given, 1, 2) == ["train/b"]


def test_a_manifest_that_lists_a_missing_object_is_refused(tmp_path: Path, s3: Any) -> None:
    _objects(s3, "a")
    given = Channel("train", _manifest(s3, "a", "gone"), data_type="ManifestFile")
    with pytest.raises(ContractError, match="s3://bucket/data/gone is not found; correct what lists it"):
        _downloaded(s3, tmp_path, given)


def test_streams_of_objects_end_with_what_is_missing(tmp_path: Path, s3: Any) -> None:
    _objects(s3, "a", "b")
    source = S3Source(s3)
    content = channel("s3://bucket/data/", input_mode="Pipe")
    epochs = Epochs(tmp_path / "1", content, find=lambda uri: source)
    assert [epochs.read(), epochs.read()] == [b"a b ", b"a b "]
    s3.delete_object(Bucket="bucket", Key="data/b")
    with epochs.fifo(2).open("rb", buffering=0) as file:
        assert file.read(2) == b"a "
        epochs.thread.join()
    assert str(epochs.error) == "s3://bucket/data/b is not found; correct what lists it"


def test_a_stream_from_s3_and_results_that_stay_files(workshop: Workshop, s3: Any) -> None:
    _objects(s3, "a", "deep/b", "c")
    lines = [{"x-ref": "s3://bucket/data/a", "y": 1}, {"x-ref": "s3://bucket/data/c", "y": 2}]
    (workshop.directory / "lines").write_text("\n".join(map(json.dumps, lines)))
    channels = (
        Channel("train", "s3://bucket/data/", input_mode="Pipe"),
        Channel(
            *("rows", str(workshop.directory / "lines")),
            input_mode="Pipe",
            data_type="AugmentedManifestFile",
            attribute_names=("y", "x-ref"),
        ),
    )
    script = workshop.script(
        "cd $SM_INPUT_DIR/data; cat train_0; cat rows_0; cat train_1\n"
        "mkdir $SM_MODEL_DIR/deep; echo w > $SM_MODEL_DIR/deep/w; echo t > $SM_OUTPUT_DATA_DIR/t"
    )
    options = {"output_path": "s3://bucket/results/", "output_compression": "NONE"}
    run = workshop.run(script, channels=channels, **options)
    assert run.log == b"a c deep/b 1a 2c a c deep/b ", run.exit
    assert run.exit is not None
    assert run.exit.model == "s3://bucket/results/job-001/output/model/"
    results = [key for key in keys(s3) if key.startswith("results")]
    assert results == ["results/job-001/output/data/t", "results/job-001/output/model/deep/w"]
    assert not list(workshop.attempt(run).glob("*.files"))


class _Broken:
    """A body that breaks off in its middle."""

    def __init__(self, body: Any) -> None:
        self._body, self._left = body, 1

    def read(self, size: int) -> Any:
        if not self._left:
            raise ConnectionResetError("broke off")
        self._left -= 1
        return self._body.read(3)


def test_a_stream_that_breaks_off_goes_on_where_it_broke(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.put_object(Bucket="bucket", Key="x", Body=b"0123456789")
    asked = []
    get = s3.get_object

    def breaking(**arguments: Any) -> Any:
        answer = get(**arguments)
        asked.append(arguments.get("Range"))
        return {**answer, "Body": _Broken(answer["Body"])} if len(asked) < 4 else answer

    monkeypatch.setattr(s3, "get_object", breaking)
    assert b"".join(S3Source(s3).chunks("s3://bucket/x")) == b"0123456789"
    assert asked == [None, "bytes=3-", "bytes=6-", "bytes=9-"]


@pytest.mark.parametrize("compression", ["GZIP", "NONE"])
def test_a_failed_upload_leaves_nothing(
    tmp_path: Path, s3: Any, monkeypatch: pytest.MonkeyPatch, compression: str
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for name in ("a", "b"):
        (model / name).write_text(name)
    spec = {"output_path": "s3://bucket/out", "name": "job-001", "output_compression": compression}
    artifacts.store(spec["output_path"], "job-001", str(tmp_path), [("model", str(model))], compression)
    upload, done = s3.upload_file, []

    def failing(path: str, bucket: str, key: str) -> None:
        if done or compression == "GZIP":
            raise ConnectionResetError("broke off")
        done.append(key)
        upload(path, bucket, key)

    monkeypatch.setattr(s3, "upload_file", failing)
    with pytest.raises(ConnectionResetError):
        transfer.upload(s3, spec, tmp_path)
    assert keys(s3) == []
    artifacts.discard(str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]
    assert len(list(model.iterdir())) == 2
