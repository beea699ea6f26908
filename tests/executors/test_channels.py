"""How the channels of a training job appear to each of its hosts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hpt.executors import channels, sources
from hpt.executors.contract import ContractError


def channel(uri: Path | str, **members: Any) -> dict[str, Any]:
    plain = {"name": "train", "uri": str(uri), "input_mode": "File", "distribution": "FullyReplicated"}
    return {**plain, "record_wrapper": "None", "compression": "None", "content_type": None, **members}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for name in ("a.csv", "b.csv", "c.csv", "deep/d.csv", "deep/e.csv"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def provided(tmp_path: Path, given: dict[str, Any], host: int = 0, hosts: int = 1) -> Path:
    base = tmp_path / f"ml-{host}"
    (base / "input/data").mkdir(parents=True)
    channels.provide(str(base), {"channels": [given]}, host, hosts)
    return base / "input/data/train"


def files(place: Path) -> list[str]:
    return [name for _, name in sources.LocalSource().under(str(place))]


def manifest(folder: Path, content: Any) -> Path:
    path = folder.parent / "list.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("hosts", [1, 2, 3, 7])
def test_shards_are_every_so_many_by_key(tmp_path: Path, data: Path, hosts: int) -> None:
    given = channel(data, distribution="ShardedByS3Key")
    parts = [files(provided(tmp_path, given, host, hosts)) for host in range(hosts)]
    every = ["a.csv", "b.csv", "c.csv", "deep/d.csv", "deep/e.csv"]
    assert parts == [every[host::hosts] for host in range(hosts)]


def test_shards_of_a_prefix_and_of_a_file(tmp_path: Path, data: Path) -> None:
    given = channel(data / "de", distribution="ShardedByS3Key")
    parts = [files(provided(tmp_path, given, host, 2)) for host in range(2)]
    assert parts == [["deep/d.csv"], ["deep/e.csv"]]
    given = channel(data / "a.csv", distribution="ShardedByS3Key")
    assert [files(provided(tmp_path / "one", given, host, 2)) for host in range(2)] == [["a.csv"], []]


def test_fully_replicated_channels_are_whole_on_every_host(tmp_path: Path, data: Path) -> None:
    for host in range(2):
        place = provided(tmp_path, channel(data), host, 2)
        assert place.is_symlink()
        assert len(files(place)) == 5


def test_a_manifest_gives_links_by_their_names(tmp_path: Path, data: Path) -> None:
    path = manifest(data, [{"prefix": "data/"}, "deep/e.csv", "a.csv", "a.csv"])
    place = provided(tmp_path, channel(path, data_type="ManifestFile"))
    assert files(place) == ["a.csv", "deep/e.csv"]
    assert (place / "a.csv").readlink() == data / "a.csv"


def test_a_manifest_is_shared_in_its_order(tmp_path: Path, data: Path) -> None:
    path = manifest(data, [{"prefix": "data/"}, "c.csv", "b.csv", "a.csv"])
    given = channel(path, data_type="ManifestFile", distribution="ShardedByS3Key")
    parts = [files(provided(tmp_path, given, host, 2)) for host in range(2)]
    assert parts == [["a.csv", "c.csv"], ["b.csv"]]


@pytest.mark.parametrize("mode", ["File", "Pipe"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"prefix": "data/"}, "a.csv", "gone.csv", "x.csv"], "gone.csv and 1 more|gone.csv, and 1 more"),
        ([{"prefix": "data/"}, "deep"], "deep cannot be read"),
        ({}, "is no manifest"),
    ],
)
def test_what_a_manifest_lists_must_be_there(
    tmp_path: Path, data: Path, mode: str, content: Any, message: str
) -> None:
    path = manifest(data, content)
    with pytest.raises(ContractError, match=message) as caught:
        provided(tmp_path, channel(path, data_type="ManifestFile", input_mode=mode))
    assert "channel 'train'" in str(caught.value)


def test_a_manifest_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"nothing is found at .*gone.json"):
        provided(tmp_path, channel(tmp_path / "gone.json", data_type="ManifestFile"))


def test_a_name_cannot_be_a_file_and_a_folder(tmp_path: Path, data: Path) -> None:
    (data.parent / "data-x").write_text("")
    (data.parent / "data-x2").mkdir()
    (data.parent / "x").write_text("")
    path = manifest(data, [{"prefix": "data/"}, "a.csv", "a.csv/b"])
    (tmp_path / "data/a.csv").unlink()
    (tmp_path / "data/a.csv").mkdir()
    (tmp_path / "data/a.csv/b").touch()
    with pytest.raises(ContractError, match="cannot be read"):
        provided(tmp_path, channel(path, data_type="ManifestFile"))
    place = tmp_path / "place"
    place.mkdir()
    with pytest.raises(ContractError, match="both a file and a directory"):
        channels.link_files(str(place), [("/x", "a"), ("/y", "a/b")])


def test_a_pipe_channel_is_a_fifo(tmp_path: Path, data: Path) -> None:
    place = provided(tmp_path, channel(data, input_mode="Pipe"))
    assert place.with_name("train_0").is_fifo()
    assert not place.exists()


def test_a_pipe_channel_without_data_is_refused_before_the_program_runs(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ContractError, match="nothing is found"):
        provided(tmp_path, channel(tmp_path / "empty", input_mode="Pipe"))


def test_links_that_go_round_in_circles_end(tmp_path: Path, data: Path) -> None:
    (data / "deep/up").symlink_to(data)
    (data / "deep/other").symlink_to(data / "a.csv")
    names = [name for _, name in sources.LocalSource().under(str(data))]
    assert names == ["a.csv", "b.csv", "c.csv", "deep/d.csv", "deep/e.csv", "deep/other"]
