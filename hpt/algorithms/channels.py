"""Reads a channel's files (CSV or libsvm, gzip or not) into arrays and says plainly what is wrong in them."""

from __future__ import annotations

import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpt.algorithms.container import Channel, UserError, counted
from hpt.job.catalog.description import CSV_TYPES, LIBSVM_TYPES, UNSAID_TYPES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Float32Array = NDArray[np.float32]
    IndexArray = NDArray[np.int64]

_DEPTH = 3  # levels of folders below a channel that are read
_GZIP = b"\x1f\x8b"
_MARKERS = (".sagemaker-uploading", ".sagemaker-uploaded")
CATEGORIES = ("categorical_index.json", "cat_index.json")
"""Files beside the rows that say which columns are categories; they hold no rows."""
_NOT_SEPARATORS = bytes(set(range(256)) - set(b": "))
_SEPARATORS = (b",", b"\t", b";", b"|", b" ")


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one channel.

    labels: (n,) float32. weights: (n,) float32 or None. groups: (n,) query ids or None. Features are dense,
    `dense`: (n, d) float32 with NaN for a missing value, or sparse rows (CSR): `values`, `columns`: (nnz,),
    `row_ends`: (n + 1,); an absent entry is missing.
    """

    name: str
    labels: Float32Array
    weights: Float32Array | None = None
    groups: IndexArray | None = None
    dense: Float32Array | None = None
    values: Float32Array | None = None
    columns: IndexArray | None = None
    row_ends: IndexArray | None = None

    def features(self, width: int) -> Any:
        """(n, width) features: the dense array, or SciPy's CSR matrix of the sparse rows."""
        if self.dense is not None:
            return self.dense
        from scipy.sparse import csr_matrix

        assert self.values is not None
        assert self.columns is not None
        assert self.row_ends is not None
        return csr_matrix((self.values, self.columns, self.row_ends), shape=(len(self.labels), width))

    @property
    def width(self) -> int:
        """Number of feature columns; for sparse rows one more than the largest index."""
        if self.dense is not None:
            return int(self.dense.shape[1])
        assert self.columns is not None
        return int(self.columns.max()) + 1 if len(self.columns) else 0


def read_channel(channel: Channel, csv_weights: bool = False, *, labelled: bool = True) -> Table:
    """All rows of a channel, its files in the order of their paths.

    Without `labelled`, CSV rows are features only, and all labels are 0.

    Raises:
        UserError: no files, no rows, an unknown content type, a file that does not read, ragged rows, a label
            that is missing or not finite, or an infinite feature.
    """
    kind = _kind(channel, labelled)
    parts: list[Table] = []
    files = list(_files(channel))
    for path in files:
        text = _content(path, channel)
        if not text.strip():
            continue
        kind = kind or ("libsvm" if _looks_like_libsvm(text) else "csv")
        where = f"channel {channel.name!r}, file {path.name}"
        fixed = 0 if not labelled else 2 if csv_weights else 1
        part = _read_libsvm(text, where) if kind == "libsvm" else _read_csv(text, where, fixed)
        _check(part, where)
        parts.append(part)
    if not parts:
        found = f"{counted(len(files), 'file')}, all empty" if files else "no files"
        raise UserError(f"channel {channel.name!r} has no rows ({found} in {channel.path})")
    return _join(parts, channel)


def _kind(channel: Channel, labelled: bool) -> str:
    """'csv', 'libsvm', or '' if the content type does not say."""
    media, *options = (part.strip() for part in channel.content_type.lower().split(";"))
    if media in CSV_TYPES:
        if labelled and any(size != "1" for size in _label_sizes(options)):
            raise UserError(
                f"channel {channel.name!r}: ContentType {channel.content_type!r}: label_size must be 1"
            )
        return "csv"
    if media in LIBSVM_TYPES:
        return "libsvm"
    if media in UNSAID_TYPES:
        return ""
    raise UserError(
        f"channel {channel.name!r}: ContentType {channel.content_type!r} is not supported; "
        "use text/csv or text/libsvm, or leave it out"
    )


def _label_sizes(options: Sequence[str]) -> list[str]:
    return [option.partition("=")[2].strip() for option in options if option.startswith("label_size")]


def label_size(channel: Channel) -> int | None:
    """The labels at the beginning of each CSV row, as the service reads a content type: 1 where it says only
    that rows are CSV, None where it does not say that.

    Raises:
        UserError: it says something other than 0 or 1.
    """
    media, *options = (part.strip() for part in channel.content_type.lower().split(";"))
    if media not in CSV_TYPES:
        return None
    size = next(iter(_label_sizes(options)), "1")
    if size not in ("0", "1"):
        raise UserError(
            f"channel {channel.name!r}: ContentType {channel.content_type!r}: label_size must be 0 or 1"
        )
    return int(size)


def _files(channel: Channel) -> Iterator[Path]:
    if channel.path.is_file() or channel.path.is_fifo():
        yield channel.path
        return
    if not channel.path.is_dir():
        raise UserError(f"channel {channel.name!r}: the folder {channel.path} does not exist")
    # Links are followed: a channel is often a link to where the data lies. The depth bounds circles.
    for folder, folders, files in os.walk(channel.path, followlinks=True):
        folders.sort()
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        if len(Path(folder).relative_to(channel.path).parts) + 1 >= _DEPTH:
            folders.clear()
        for name in sorted(files):
            if not name.startswith((".", "_")) and not name.endswith(_MARKERS) and name not in CATEGORIES:
                yield Path(folder) / name


def _content(path: Path, channel: Channel) -> bytes:
    try:
        content = path.read_bytes()
        if content.startswith(_GZIP):
            content = gzip.decompress(content)
        elif path.suffix == ".gz" and content:
            raise UserError(f"channel {channel.name!r}, file {path.name}: is named .gz but is not gzip")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"channel {channel.name!r}, file {path.name}: damaged gzip ({error})") from None
    except OSError as error:
        raise UserError(f"channel {channel.name!r}, file {path.name}: {error.strerror}") from None
    return content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _looks_like_libsvm(text: bytes) -> bool:
    for line in io.BytesIO(text[:65536]):
        tokens = line.split()
        if len(tokens) > 1:
            return b":" in tokens[1]
    return False


def _read_csv(text: bytes, where: str, fixed: int) -> Table:
    """`fixed` columns before the features: the label (1), and the row's weight (2); empty is missing."""
    import numpy as np

    first = text.lstrip(b"\n").partition(b"\n")[0]
    separator = next((mark for mark in _SEPARATORS if mark in first.strip()), b",")
    try:
        table = _numbers(text, separator)
    except ValueError:
        # An empty field is a missing value. Few files have one, so they alone pay for the second look.
        gap = re.escape(separator)
        filled = re.sub(rb"(?m)(?:(?<=%s)|^(?=[ ]*%s))[ ]*(?=%s|$)" % (gap, gap, gap), b"nan", text)
        try:
            table = _numbers(filled, separator)
        except ValueError as error:
            raise UserError(f"{where}: {_csv_problem(first, separator, str(error))}") from None
    if table.shape[1] <= fixed:
        needed = ("features", "a label and features", "label, weight and features")[fixed]
        raise UserError(f"{where}: rows of {counted(table.shape[1], 'column')}; needs {needed}")
    return Table(
        name=where,
        labels=np.ascontiguousarray(table[:, 0]) if fixed else np.zeros(len(table), dtype=np.float32),
        weights=np.ascontiguousarray(table[:, 1]) if fixed == 2 else None,
        dense=table[:, fixed:],
    )


def _numbers(text: bytes, separator: bytes) -> Float32Array:
    import numpy as np

    table: Float32Array = np.loadtxt(
        io.BytesIO(text),
        dtype=np.float32,
        delimiter=None if separator == b" " else separator.decode(),
        comments=None,
        quotechar='"',
        ndmin=2,
    )
    return table


def _csv_problem(first: bytes, separator: bytes, detail: str) -> str:
    fields = [field.strip(b' "') for field in first.split(None if separator == b" " else separator)]
    if not any(_reads_as_number(field) for field in fields if field):
        shown = first[:60].decode("utf-8", "replace")
        return f"the first line looks like a header ({shown!r}); remove it: CSV starts with data, label first"
    changed = re.search(r"number of columns changed from (\d+) to (\d+) at row (\d+)", detail)
    if changed:
        return f"row {changed[3]} has {changed[2]} columns, the rows before it {changed[1]}"
    unread = re.search(r"could not convert string (.*) to float32 at row (\d+), column (\d+)", detail)
    if unread:
        return f"row {int(unread[2]) + 1}, column {unread[3]}: {unread[1]} is not a number"
    return f"does not read as CSV: {detail}"


def _reads_as_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _read_libsvm(text: bytes, where: str) -> Table:
    """`<label>[:weight] [qid:<id>] <index>:<value> ...`; `#` starts a comment; indexes stay as they are."""
    import numpy as np

    labels: list[float] = []
    weights: list[float] = []
    groups: list[int] = []
    tails: list[bytes] = []
    counts: list[int] = []
    for number, raw in enumerate(text.split(b"\n"), start=1):
        line = raw.partition(b"#")[0].strip()
        if not line:
            continue
        head, *rest = line.split(None, 1)
        tail = rest[0] if rest else b""
        label, colon, weight = head.partition(b":")
        try:
            labels.append(float(label))
            weights.append(float(weight) if colon else 1.0)
            if tail.startswith(b"qid:"):
                group, *rest = tail.split(None, 1)
                groups.append(int(group[4:]))
                tail = rest[0] if rest else b""
        except ValueError:
            raise UserError(f"{where}: line {number} does not start with a label: {line[:40]!r}") from None
        tails.append(tail)
        counts.append(tail.count(b":"))
    if groups and len(groups) != len(labels):
        raise UserError(
            f"{where}: {len(labels) - len(groups)} of {len(labels)} rows lack the qid that others have"
        )
    entries = b" ".join(b" ".join(tails).split())
    try:
        numbers = np.array(entries.replace(b":", b" ").split(), dtype=np.float64)
        columns = numbers[0::2].astype(np.int64)
        # What separates n entries is n times ": ", without the last blank; all else is numbers.
        paired = entries.translate(None, _NOT_SEPARATORS) == (b": " * sum(counts))[:-1]
        well_formed = paired and len(numbers) == 2 * sum(counts) and bool((columns == numbers[0::2]).all())
        well_formed = well_formed and columns.min(initial=0) >= 0
    except ValueError:
        well_formed = False
    if not well_formed:
        raise UserError(f"{where}: {_libsvm_problem(text)}")
    return Table(
        name=where,
        labels=np.array(labels, dtype=np.float32),
        weights=np.array(weights, dtype=np.float32) if any(weight != 1.0 for weight in weights) else None,
        groups=np.array(groups, dtype=np.int64) if groups else None,
        values=numbers[1::2].astype(np.float32),
        columns=columns,
        row_ends=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
    )


def _libsvm_problem(text: bytes) -> str:
    """Which entry is not `<index>:<value>`; slow, and only called when there is one."""
    for number, raw in enumerate(text.split(b"\n"), start=1):
        for token in raw.partition(b"#")[0].split()[1:]:
            index, _, value = token.partition(b":")
            if token.startswith(b"qid:"):
                continue
            if not index.isdigit() or not _reads_as_number(value):
                return f"line {number}: {token[:40].decode('utf-8', 'replace')!r} is not <index>:<value>"
    return "does not read as libsvm: <label> <index>:<value> ..."


def _check(part: Table, where: str) -> None:
    import numpy as np

    bad = np.flatnonzero(~np.isfinite(part.labels))
    if len(bad):
        raise UserError(
            f"{where}: the label of row {bad[0] + 1} is {part.labels[bad[0]]:g} or missing "
            f"({counted(len(bad), 'such row')}); every row needs a finite label"
        )
    if part.weights is not None and not bool((np.isfinite(part.weights) & (part.weights >= 0)).all()):
        raise UserError(f"{where}: weights must be finite and not negative")
    features = part.dense if part.dense is not None else part.values
    assert features is not None
    infinite = np.isinf(features)
    if infinite.any():
        place = np.argwhere(infinite)[0]
        at = f"row {place[0] + 1}, feature {place[1] + 1}" if part.dense is not None else "a value"
        raise UserError(
            f"{where}: {at} is infinite in single precision; use finite numbers, empty for missing"
        )


def _join(parts: list[Table], channel: Channel) -> Table:
    import numpy as np

    first = parts[0]
    if len(parts) == 1:
        return first
    for part in parts[1:]:
        if part.dense is not None and part.width != first.width:
            raise UserError(f"{part.name}: {part.width} features, but {first.name} has {first.width}")
        if (part.groups is None) != (first.groups is None):
            raise UserError(f"channel {channel.name!r}: some files have qid, others have not")
    ends = [np.zeros(1, dtype=np.int64)]
    for part in parts:
        if part.row_ends is not None:
            ends.append(part.row_ends[1:] + ends[-1][-1])
    weighted = any(part.weights is not None for part in parts)
    return Table(
        name=channel.name,
        labels=np.concatenate([part.labels for part in parts]),
        weights=np.concatenate([_weights(part) for part in parts]) if weighted else None,
        groups=_stack([part.groups for part in parts]),
        dense=_stack([part.dense for part in parts]),
        values=_stack([part.values for part in parts]),
        columns=_stack([part.columns for part in parts]),
        row_ends=np.concatenate(ends) if first.row_ends is not None else None,
    )


def _stack(arrays: Sequence[NDArray[Any] | None]) -> NDArray[Any] | None:
    """The arrays one after the other, or None where the files have none."""
    import numpy as np

    present = [array for array in arrays if array is not None]
    return np.concatenate(present) if present else None


def _weights(part: Table) -> Float32Array:
    import numpy as np

    return part.weights if part.weights is not None else np.ones(len(part.labels), dtype=np.float32)
