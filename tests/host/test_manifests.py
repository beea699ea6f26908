"""Manifests and augmented manifests, whole and broken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hpt.host import manifests
from hpt.host.manifests import ManifestError


def listed(content: Any, place: str = "/data/list.json") -> list[tuple[str, str]]:
    return manifests.objects(json.dumps(content).encode(), place)


def test_names_follow_the_prefix() -> None:
    assert listed([{"prefix": "s3://bucket/a/"}, "one.csv", "deep/two.csv"]) == [
        ("s3://bucket/a/one.csv", "one.csv"),
        ("s3://bucket/a/deep/two.csv", "deep/two.csv"),
    ]
    assert listed([{"prefix": "s3://bucket/part-"}, "1"]) == [("s3://bucket/part-1", "1")]


def test_local_prefixes_start_at_the_manifest() -> None:
    assert listed([{"prefix": "files/"}, "a"]) == [("/data/files/a", "a")]
    assert listed([{"prefix": "/srv/part-"}, "a"]) == [("/srv/part-a", "a")]
    assert listed([{"prefix": "file:///srv/"}, "a"]) == [("/srv/a", "a")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"prefix": "s3://b/"}, "is no manifest, which is a list like"),
        ([], "is no manifest"),
        (["a", "b"], "is no manifest"),
        ([{"prefix": ""}, "a"], "is no manifest"),
        ([{"prefix": "s3://b/"}], "lists nothing"),
        ([{"prefix": "s3://b/"}, 7], "7 is no name"),
        ([{"prefix": "s3://b/"}, "../a"], "would leave the channel's directory"),
        ([{"prefix": "s3://b/"}, "/a"], "would leave"),
        ([{"prefix": "s3://b/"}, "a/../../b"], "would leave"),
        ([{"prefix": "s3://b/"}, "a\0"], "would leave"),
        ([{"prefix": "gs://b/"}, "a"], "give s3:// URIs or local paths"),
    ],
)
def test_what_is_no_manifest_is_refused(content: Any, message: str) -> None:
    with pytest.raises(ManifestError, match=r"/data/list\.json") as caught:
        listed(content)
    assert message in str(caught.value)


def test_a_manifest_on_s3_lists_nothing_local() -> None:
    with pytest.raises(ManifestError, match="not on S3"):
        listed([{"prefix": "/etc/"}, "passwd"], "s3://bucket/list.json")


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"[" * 100_000, b'{"a": 1}\n{"a": 2}'])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(ManifestError):
        manifests.objects(data, "/data/list.json")


def test_attributes_come_in_the_order_asked_for() -> None:
    lines = (
        b'{"label": 1, "x": 0, "image-ref": "s3://b/1.jpg"}\n\n{"image-ref": "2.jpg", "label": {"a": [1]}}\n'
    )
    assert list(manifests.records(lines, "/data/list", ["image-ref", "label"])) == [
        ("s3://b/1.jpg", b"1"),
        ("/data/2.jpg", b'{"a": [1]}'),
    ]
    assert list(manifests.records(b'{"line": "Call me Ishmael"}', "/l", ["line"])) == [(b"Call me Ishmael",)]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (b'{"a": 1}\n{"b": 2}', "line 2 of /l has no attribute 'a'"),
        (b"[1]", "line 1 of /l is no JSON object"),
        (b'{"a": 1}\n\n{"a": 1', "line 3 of /l is no JSON"),
        (b" \n", "/l has no line"),
    ],
)
def test_a_broken_line_is_named(lines: bytes, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        list(manifests.records(lines, "/l", ["a"]))
    assert message in str(caught.value)


@pytest.mark.parametrize("value", [7, "", None, "a\0b", "gs://b/x"])
def test_a_reference_says_where_data_lies(value: Any) -> None:
    with pytest.raises(ManifestError):
        list(manifests.records(json.dumps({"x-ref": value}).encode(), "/l", ["x-ref"]))


def test_local_files_that_are_missing_are_found(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    places = [str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path), "s3://bucket/x"]
    assert manifests.missing(places) == [str(tmp_path / "b"), str(tmp_path)]
