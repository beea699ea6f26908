from __future__ import annotations

import gzip
import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from hpt.algorithms.channels import Table, read_channel
from hpt.algorithms.container import Channel, Folders, UserError, read_channels


def read(tmp_path: Path, files: dict[str, str | bytes], kind: str = "", weights: bool = False) -> Table:
    folder = tmp_path / "train"
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_channel(Channel("train", folder, kind), weights)


@pytest.mark.parametrize("kind", ["", "csv", "text/csv", "text/csv;label_size=1", "Text/CSV; charset=utf8"])
@pytest.mark.parametrize(
    "text",
    [
        "1,2,3\n0,-4.5,6e-1\n",
        "1,2,3\n0,-4.5,6e-1",
        "1,2,3\r\n\r\n0,-4.5,6e-1\r\n",
        '"1","2","3"\n0, -4.5 ,.6\n',
        "\ufeff1,2,3\n0,-4.5,0.6",
    ],
)
def test_csv_has_the_label_first(tmp_path: Path, kind: str, text: str) -> None:
    table = read(tmp_path, {"a.csv": text}, kind)
    assert_array_equal(table.labels, np.float32([1, 0]))
    assert_array_equal(table.dense, np.float32([[2, 3], [-4.5, 0.6]]))
    assert table.weights is None


@pytest.mark.parametrize("separator", ["\t", ";", "|", " "])
def test_other_separators(tmp_path: Path, separator: str) -> None:
    table = read(tmp_path, {"a.csv": separator.join(["1", "2", "3"])}, "text/csv")
    assert_array_equal(table.dense, np.float32([[2, 3]]))


def test_an_empty_field_is_missing(tmp_path: Path) -> None:
    table = read(tmp_path, {"a.csv": "1,,3,\n0,, ,7\n1,2,nan,4\n"})
    nan = np.nan
    assert_array_equal(table.dense, np.float32([[nan, 3, nan], [nan, nan, 7], [2, nan, 4]]))


def test_weights_are_the_second_column(tmp_path: Path) -> None:
    table = read(tmp_path, {"a.csv": "1,0.5,3\n0,2,4\n"}, weights=True)
    assert_array_equal(table.weights, np.float32([0.5, 2]))
    assert_array_equal(table.dense, np.float32([[3], [4]]))


def test_libsvm(tmp_path: Path) -> None:
    table = read(tmp_path, {"a.txt": "1 0:2.5 3:-1e-3 # note\n\n0\n-1.5 2:7\n"})
    assert_array_equal(table.labels, np.float32([1, 0, -1.5]))
    assert_array_equal(table.values, np.float32([2.5, -1e-3, 7]))
    assert_array_equal(table.columns, [0, 3, 2])
    assert_array_equal(table.row_ends, [0, 2, 2, 3])
    assert table.width == 4
    assert table.weights is None


def test_libsvm_with_weights_and_queries(tmp_path: Path) -> None:
    table = read(tmp_path, {"a": "1:0.5 qid:3 1:2\n0 qid:4 1:3\n"}, "text/libsvm")
    assert_array_equal(table.weights, np.float32([0.5, 1]))
    assert_array_equal(table.groups, [3, 4])
    assert_array_equal(table.values, np.float32([2, 3]))


def test_many_files_in_order_gzip_by_content_and_hidden_ones_left_out(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "b.csv": gzip.compress(b"2,20\n"),
        "a.csv.gz": gzip.compress(b"1,10\n1,11"),
        "c.csv": "3,30",
        "deep/d.csv": "4,40",
        "deep/deeper/deepest/e.csv": "5,50",
        "empty.csv": "",
        "_SUCCESS": "x",
        ".hidden": "x",
        "c.csv.sagemaker-uploaded": "x",
    }
    table = read(tmp_path, files)
    assert_array_equal(table.labels, np.float32([1, 1, 2, 3, 4]))
    assert_array_equal(table.dense, np.float32([[10], [11], [20], [30], [40]]))


def test_libsvm_files_join(tmp_path: Path) -> None:
    table = read(tmp_path, {"a": "1 0:1\n", "b": "0:3 5:2 6:1\n1 1:4\n"}, "text/x-libsvm")
    assert_array_equal(table.row_ends, [0, 1, 3, 4])
    assert_array_equal(table.weights, np.float32([1, 3, 1]))
    assert table.width == 7


def test_a_channel_may_be_a_link_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.csv").write_text("1,2\n")
    (tmp_path / "real" / "loop").symlink_to(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert read_channel(Channel("train", tmp_path / "real" / "a.csv")).width == 1
    assert_array_equal(read_channel(Channel("train", tmp_path / "link")).labels[:1], np.float32([1]))


@pytest.mark.parametrize(
    ("files", "kind", "part"),
    [
        ({}, "", "no files"),
        ({"a.csv": "", "b.csv": "\n \n"}, "", "2 files, all empty"),
        ({"a.csv": "1,2\n"}, "application/x-parquet", "text/csv or text/libsvm"),
        ({"a.csv": "1,2\n"}, "text/csv;label_size=0", "must be 1"),
        ({"a.csv": "label,age\n1,2\n"}, "text/csv", "looks like a header"),
        ({"a.csv": "1,2,3\n1,2\n"}, "text/csv", "row 2 has 2 columns"),
        ({"a.csv": "1,2,3\n1,x,3\n"}, "text/csv", "row 2, column 2: 'x' is not a number"),
        ({"a.csv": "1\n0\n"}, "text/csv", "needs a label and features"),
        ({"a.csv": "1,2\nnan,3\n"}, "text/csv", "label of row 2 is nan"),
        ({"a.csv": "1,2\n,3\n"}, "text/csv", "label of row 2"),
        ({"a.csv": "inf,2\n"}, "text/csv", "label of row 1 is inf"),
        ({"a.csv": "1,2\n0,1e60\n"}, "text/csv", "row 2, feature 1 is infinite"),
        ({"a.csv": "1,2\n", "b.csv": "1,2,3\n"}, "text/csv", "2 features, but"),
        ({"a.csv.gz": "1,2\n"}, "text/csv", "not gzip"),
        ({"a.csv.gz": gzip.compress(b"1,2\n" * 50)[:-12]}, "text/csv", "damaged gzip"),
        ({"a.csv": b"\x00\x01\xff\xfe"}, "text/csv", "looks like a header"),
        ({"a": "1 2:3 4\n"}, "text/libsvm", "'4' is not <index>:<value>"),
        ({"a": "1 2:3\n1 a:3\n"}, "text/libsvm", "line 2: 'a:3'"),
        ({"a": "1 -1:3\n"}, "text/libsvm", "'-1:3'"),
        ({"a": "1 1.5:3\n"}, "text/libsvm", "'1.5:3'"),
        ({"a": "1 1:2:3 4\n"}, "text/libsvm", "'1:2:3'"),
        ({"a": "yes 1:2\n"}, "text/libsvm", "line 1 does not start with a label"),
        ({"a": "1 qid:1 1:2\n1 1:2\n"}, "text/libsvm", "1 of 2 rows lack the qid"),
    ],
)
def test_bad_input_is_named(tmp_path: Path, files: dict[str, str | bytes], kind: str, part: str) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path, files, kind)
    assert part in str(caught.value)
    assert "'train'" in str(caught.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        read_channel(Channel("train", tmp_path / "train"))


def test_a_pipe_channel_is_read_from_its_first_fifo(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    folders.config.mkdir(parents=True)
    folders.data.mkdir()
    options = {"TrainingInputMode": "Pipe", "ContentType": "text/csv"}
    (folders.config / "inputdataconfig.json").write_text(json.dumps({"train": options}))
    fifo = folders.data / "train_0"
    os.mkfifo(fifo)
    threading.Thread(target=fifo.write_text, args=("1,2\n0,3\n",), daemon=True).start()
    table = read_channel(read_channels(folders)["train"])
    assert_array_equal(table.labels, np.float32([1, 0]))
    assert_array_equal(table.dense, np.float32([[2], [3]]))
