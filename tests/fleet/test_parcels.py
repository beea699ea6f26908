"""Local files arrive on other machines as they are, whatever happens on the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hpt.errors import ExecutorError
from hpt.fleet import parcels
from hpt.fleet.parcels import Parcels, Received, read_part


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "deep" / "x").write_bytes(os.urandom(100_000))
    (tmp_path / "data" / "run").write_text("#!/bin/sh\n")
    (tmp_path / "data" / "run").chmod(0o755)
    (tmp_path / "data" / "link").symlink_to("deep/x")
    return tmp_path / "data"


def test_a_folder_arrives_in_parts_and_is_packed_once(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parcels, "PART", 30_000)
    sent = Parcels(tmp_path / "job")
    parcel = sent.of(data)
    assert parcel is not None
    assert sent.of(data) is parcel
    there = Received(tmp_path / "node")
    offset, parts = there.wants(parcel.digest), 0
    while offset >= 0:
        part = read_part(parcel, offset)
        there.take(parcel.digest, 7, b"from another call")  # changes nothing
        offset, parts = there.take(parcel.digest, offset, part), parts + 1
    assert parts > 6
    assert there.wants(parcel.digest) == -1
    place = there.path(parcel.digest, parcel.name)
    assert (
        (place / "deep" / "x").read_bytes() == (place / "link").read_bytes() == (data / "link").read_bytes()
    )
    assert os.access(place / "run", os.X_OK)
    assert sorted(path.name for path in (tmp_path / "node").iterdir()) == [parcel.digest]
    (data / "run").write_text("#!/bin/sh\necho other\n")
    other = sent.of(data)
    assert other is not None
    assert other.digest != parcel.digest


def test_what_arrives_damaged_is_sent_again(data: Path, tmp_path: Path) -> None:
    parcel = Parcels(tmp_path / "job").of(data / "run")
    assert parcel is not None
    there = Received(tmp_path / "node")
    whole = read_part(parcel, 0)
    there.take(parcel.digest, 0, whole[:-1] + b"!")
    with pytest.raises(ExecutorError, match="arrived damaged; it is sent again"):
        there.take(parcel.digest, len(whole), b"")
    assert there.wants(parcel.digest) == 0
    there.take(parcel.digest, 0, whole)
    assert there.take(parcel.digest, len(whole), b"") == -1
    assert there.path(parcel.digest, "run").read_text() == "#!/bin/sh\n"


def test_what_is_not_there_or_too_large_is_not_sent(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = Parcels(tmp_path / "job")
    assert sent.of(tmp_path / "nowhere") is None
    monkeypatch.setattr(parcels, "LARGEST", 1000)
    assert sent.of(data) is None
    assert sent.of(data / "run") is not None
