"""What every built-in program does around its library: announce, import, read channels, write the model."""

from __future__ import annotations

import importlib
import io
import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hpt.algorithms import container
from hpt.algorithms.channels import Table
from hpt.algorithms.checkpoints import write_atomically
from hpt.algorithms.container import Channel, Folders, StopRequest, UserError, counted
from hpt.algorithms.settings import S
from hpt.job.catalog import find_algorithm
from hpt.job.catalog.description import BuiltInAlgorithm

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MOST_CLASSES = 1_000_000
_SCIKIT_LEARN_NEEDS_NOT = ("pandas", "pyarrow", "polars", "matplotlib", "dask")


def start(train: Callable[[Folders, StopRequest], None]) -> None:
    """Runs a program to its exit."""
    # These programs multiply no large matrices: numpy's BLAS would start a thread per core for nothing.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(container.run(train, os.environ))


def log(line: str) -> None:
    print(line, flush=True)


def read_settings(folders: Folders, read: Callable[[Mapping[str, str]], S]) -> S:
    """The settings that `read` makes of the job's hyperparameters; their warnings are printed."""
    settings = read(container.read_hyperparameters(folders))
    for warning in settings.warnings:
        log(f"hpt: warning: {warning}")
    return settings


def finish(folders: Folders, stop: StopRequest, name: str, model: bytes | None, *, unit: str) -> None:
    """Says whether the run was stopped, and writes the model.

    Parameters
    ----------
    folders
        Where the model goes.
    stop
        Whether SIGTERM was received.
    name
        The model's file.
    model
        Its content, or None if there is no model yet.
    unit
        What has to be done before there is a model, for the message: `round`.
    """
    if stop:
        log("hpt: stopped by SIGTERM" + ("" if model is not None else f" before the first {unit}; no model"))
    if model is not None:
        folders.model.mkdir(parents=True, exist_ok=True)
        write_atomically(folders.model / name, model)


def import_library(
    package: str,
    algorithm: BuiltInAlgorithm,
    title: str,
    *,
    modules: Sequence[str] = (),
    without: Sequence[str],
) -> Any:
    """Imports a library and says which version trains.

    Parameters
    ----------
    package
        The name to import.
    algorithm
        What is trained: its extra installs the package.
    title
        The library's name in the log.
    modules
        Modules of the package that are imported too.
    without
        Modules that are treated as not installed: libraries import all they find, for uses that do not occur
        here, at several times the cost of their own start.

    Raises
    ------
    UserError
        The package is not installed, or broken.
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
    """Imports scikit-learn and reads the channels.

    Parameters
    ----------
    algorithm
        The built-in algorithm.
    what
        What is trained, for the log: `a linear model`.
    module
        The one module of scikit-learn that trains it.
    folders
        Where the channels are.
    names
        The channels that are read if they are given; the first must be.
    target
        The tuning objective, or None.
    read
        Makes a table of a channel.

    Returns
    -------
    dict
        The tables by channel.

    Raises
    ------
    UserError
        As `import_library` and `read_tables`.
    """
    title = f"{what} of scikit-learn"
    import_library("sklearn", algorithm, title, modules=(module,), without=_SCIKIT_LEARN_NEEDS_NOT)
    # Later it looks into sys.modules to see whether its input can be of these: absent, not None.
    for name in _SCIKIT_LEARN_NEEDS_NOT:
        if sys.modules.get(name) is None:
            sys.modules.pop(name, None)
    channels = container.read_channels(folders)
    return read_tables(channels, names, title=algorithm.name, target=target, read=read)


def read_tables(
    channels: Mapping[str, Channel],
    names: Sequence[str],
    *,
    title: str,
    target: str | None,
    read: Callable[[Channel], Table],
) -> dict[str, Table]:
    """The tables of channels.

    Parameters
    ----------
    channels
        Those the job has.
    names
        Those that are read if they are given; the first must be.
    title
        The algorithm's name in messages.
    target
        The tuning objective, or None; `validation:auc` needs the channel `validation`.
    read
        Makes a table of a channel.

    Raises
    ------
    UserError
        A channel that is needed is missing, or tables differ in format or width.
    """
    first = names[0]
    if first not in channels:
        present = ", ".join(channels) or "none"
        raise UserError(
            f"channel {first!r} is missing (channels given: {present}); add it to InputDataConfig"
        )
    needed, colon, _ = (target or "").partition(":")
    if colon and needed not in channels:
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
                f"channel {name!r}: {counted(len(missing), 'value', 'are')} missing, the first in {at}; "
                "fill in missing values: only tree models take them"
            )


def class_count(tables: Mapping[str, Table], what: str, count: int | None = None) -> int:
    """Number of classes when labels are 0, 1, ...: the largest plus one, at most `count` if that is given.

    Raises:
        UserError: a label is no integer from 0 to count - 1; the message says what needs it.
    """
    limit = f" to {count - 1}" if count else " on"
    top = 0
    for name, table in tables.items():
        labels = table.labels
        fits = (labels >= 0) & (labels == labels.round()) & (labels < (count or _MOST_CLASSES))
        check_labels(name, labels, fits, f"{what} needs integer labels from 0{limit}", "recode them")
        top = max(top, int(labels.max()) + 1)
    return count or top


def check_labels(
    channel: str, labels: NDArray[np.float32], fits: NDArray[np.bool_], rule: str, fix: str
) -> None:
    """Refuses labels that do not fit.

    Parameters
    ----------
    channel
        Whose labels they are.
    labels, fits
        (n,) each; whether each label fits.
    rule, fix
        What is needed and what to do, for the message.

    Raises
    ------
    UserError
        A label does not fit.
    """
    wrong = labels[~fits]
    if len(wrong):
        raise UserError(
            f"channel {channel!r}: {rule}, but {counted(len(wrong), 'row', 'differ')}, "
            f"the first {wrong[0]:g}; {fix} (labels are the first column)"
        )


def message_without_source(message: str) -> str:
    """The message of a C++ library without the place in its source that it begins with."""
    place, _, rest = message.strip().partition(": ")
    return rest.strip() if re.search(r"\.(cpp|cc|h):", place) else message.strip()


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
