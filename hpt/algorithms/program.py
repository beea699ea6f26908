"""What every built-in program does around its library: announce, import, read channels, write the model."""

from __future__ import annotations

import importlib
import io
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from hpt.algorithms import container
from hpt.algorithms.channels import Table
from hpt.algorithms.checkpoints import write_atomically
from hpt.algorithms.container import Channel, Folders, StopRequest, UserError
from hpt.job.catalog import find_algorithm
from hpt.job.catalog.description import BuiltInAlgorithm

_SCIKIT_LEARN_NEEDS_NOT = ("pandas", "pyarrow", "polars", "matplotlib", "dask")


def start(train: Callable[[Folders, StopRequest], None]) -> None:
    """Runs a program to its exit."""
    # These programs multiply no large matrices: numpy's BLAS would start a thread per core for nothing.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(container.run(train, os.environ))


def log(line: str) -> None:
    print(line, flush=True)


def warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        log(f"hpt: warning: {warning}")


def log_stop(has_model: bool, unit: str) -> None:
    log("hpt: stopped by SIGTERM" + ("" if has_model else f" before the first {unit}; no model"))


def import_library(
    package: str,
    algorithm: BuiltInAlgorithm,
    title: str,
    *,
    modules: Sequence[str] = (),
    without: Sequence[str],
) -> Any:
    """Imports `package` and `modules` of it and says which version trains.

    The modules `without` are treated as not installed: libraries import all they find, for uses that
    do not occur here, at several times the cost of their own start.

    Raises:
        UserError: it is not installed, or broken.
    """
    for module in without:
        sys.modules.setdefault(module, None)  # type: ignore[arg-type]
    try:
        library = importlib.import_module(package)
        for module in modules:
            importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            f"the {package} package cannot be imported ({error}); "
            f"install it with: {shlex.quote(sys.executable)} -m pip install 'hpt[{algorithm.extra}]'"
        ) from None
    asked = find_algorithm(os.environ.get("HPT_REQUESTED_IMAGE", ""))
    requested = f" (requested {asked.requested_version})" if asked and asked.requested_version else ""
    log(f"hpt: training with {title} {library.__version__}{requested}")
    return library


def open_scikit_learn(
    algorithm: BuiltInAlgorithm,
    what: str,
    module: str,
    folders: Folders,
    names: Sequence[str],
    target: str | None,
    read: Callable[[Channel], Table],
) -> dict[str, Table]:
    """Imports scikit-learn and the one `module` of it that trains `what`, then reads the channels `names`.

    Raises:
        UserError: as `import_library` and `read_tables`.
    """
    title = f"{what} of scikit-learn"
    import_library("sklearn", algorithm, title, modules=(module,), without=_SCIKIT_LEARN_NEEDS_NOT)
    # Later it looks into sys.modules to see whether its input can be of these: absent, not None.
    for name in _SCIKIT_LEARN_NEEDS_NOT:
        if sys.modules.get(name) is None:
            sys.modules.pop(name, None)
    channels = container.read_channels(folders)
    objective = (target, channel_of(target))
    return read_tables(channels, names, title=algorithm.name, objective=objective, read=read)


def channel_of(target: str | None) -> str | None:
    """The channel a metric is computed on: `validation` of `validation:auc`."""
    return target.partition(":")[0] if target and ":" in target else None


def read_tables(
    channels: Mapping[str, Channel],
    names: Sequence[str],
    *,
    title: str,
    objective: tuple[str | None, str | None],
    read: Callable[[Channel], Table],
) -> dict[str, Table]:
    """The tables of the channels `names` that are given, the first of which must be.

    `objective` is the tuning objective and the channel it needs, None where there is none.

    Raises:
        UserError: a channel that is needed is missing, or tables differ in format or width.
    """
    first = names[0]
    if first not in channels:
        present = ", ".join(channels) or "none"
        raise UserError(
            f"channel {first!r} is missing (channels given: {present}); add it to InputDataConfig"
        )
    target, needed = objective
    if needed is not None and needed not in channels:
        raise UserError(f"the tuning objective {target} needs a channel {needed!r}; add it")
    others = [name for name in channels if name not in names]
    if others:
        log(f"hpt: warning: channels not used by {title}: {', '.join(others)}")
    tables = {name: read(channels[name]) for name in names if name in channels}
    check_alike(tables, first)
    return tables


def check_alike(tables: Mapping[str, Table], first: str) -> None:
    """Raises UserError unless all tables have the format of the first, and dense ones its width."""
    model = tables[first]
    for name, table in tables.items():
        if (table.dense is None) != (model.dense is None):
            raise UserError(
                f"channel {name!r} and channel {first!r} differ in format; use CSV or libsvm for both"
            )
        if table.dense is not None and table.width != model.width:
            raise UserError(f"channel {name!r} has {table.width} features, channel {first!r} {model.width}")


def check_width(tables: Mapping[str, Table], feature_dim: int | None) -> int:
    """The number of features; sparse rows may have fewer than `feature_dim` says.

    Raises:
        UserError: the data has another number of features.
    """
    width = max(table.width for table in tables.values())
    dense = next(iter(tables.values())).dense is not None
    if feature_dim is not None and (width > feature_dim or (dense and width != feature_dim)):
        raise UserError(f"feature_dim is {feature_dim}, but the data has {width} features; correct it")
    return feature_dim or width


def check_complete(tables: Mapping[str, Table]) -> None:
    """Raises UserError if a dense feature is missing; an absent entry of a sparse row is 0."""
    import numpy as np

    for name, table in tables.items():
        features = table.dense if table.dense is not None else table.values
        assert features is not None
        missing = np.argwhere(np.isnan(features))
        if len(missing):
            at = f"row {missing[0][0] + 1}" + (
                f", feature {missing[0][1] + 1}" if missing.shape[1] > 1 else ""
            )
            raise UserError(
                f"channel {name!r}: {len(missing)} value(s) are missing, the first in {at}; fill them in: "
                "only tree models take missing values"
            )


def class_count(tables: Mapping[str, Table], what: str, count: int | None = None) -> int:
    """Number of classes when labels are 0, 1, ...: the largest plus one, at most `count` if that is given.

    Raises:
        UserError: a label is no whole number from 0 to count - 1.
    """
    import numpy as np

    top = 0
    for name, table in tables.items():
        labels = table.labels
        whole = (labels >= 0) & (labels == np.round(labels)) & (labels < (count or 1_000_000))
        wrong = labels[~whole]
        if len(wrong):
            limit = f" to {count - 1}" if count else " on"
            raise UserError(
                f"channel {name!r}: {what} needs whole labels from 0{limit}, but {len(wrong)} row(s) differ, "
                f"the first {wrong[0]:g}; recode them (labels are the first column)"
            )
        top = max(top, int(labels.max()) + 1)
    return count or top


def write_model(folders: Folders, name: str, content: bytes) -> None:
    folders.model.mkdir(parents=True, exist_ok=True)
    write_atomically(folders.model / name, content)


def pack(**arrays: Any) -> bytes:
    """Named arrays as an `.npz` file, which `numpy.load` opens without unpickling anything."""
    import numpy as np

    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def unpack(content: bytes) -> dict[str, Any]:
    """The arrays of `pack`.

    Raises:
        ValueError, KeyError, OSError: the content is something else.
    """
    import numpy as np

    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)
