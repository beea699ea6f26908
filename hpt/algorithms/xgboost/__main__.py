"""`python -m hpt.algorithms.xgboost`: trains in `$SAGEMAKER_BASE_DIR` (AMT 16, 17.3).

Channels `train` (required) and `validation`; the model goes to `model/xgboost-model`, checkpoints to
`checkpoints/xgboost-checkpoint.<n>`. `$HPT_REQUESTED_IMAGE`: the image the job named, for the first log line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from hpt.algorithms import container, find_algorithm
from hpt.algorithms.channels import Table, read_channel
from hpt.algorithms.checkpoints import Checkpoints, write_atomically
from hpt.algorithms.container import Channel, Folders, StopRequest, UserError
from hpt.algorithms.xgboost import hyperparameters
from hpt.algorithms.xgboost.hyperparameters import Settings

MODEL = "xgboost-model"
CHECKPOINT = "xgboost-checkpoint"

# XGBoost imports these if it finds them, for interfaces not used here; without them a trial starts in a third
# of the CPU time. None makes Python treat a module as not installed.
_NOT_NEEDED = ("sklearn", "pandas", "xgboost.sklearn")


def main(folders: Folders, stop: StopRequest) -> None:
    """One training run; raises what `container.run` turns into an exit code."""
    settings = hyperparameters.read(container.read_hyperparameters(folders))
    for warning in settings.warnings:
        _log(f"hpt: warning: {warning}")
    _import_xgboost(os.environ)
    tables = _read_tables(container.read_channels(folders), settings)
    width = max(table.width for table in tables.values())

    import xgboost

    from hpt.algorithms.xgboost import training

    for name, table in tables.items():
        training.check_labels(name, table, settings)
    try:
        data = [training.build_data(name, table, width, settings) for name, table in tables.items()]
        model = training.train(settings, data, Checkpoints(folders.checkpoints, CHECKPOINT), stop, _log)
    except xgboost.core.XGBoostError as error:
        raise UserError(f"XGBoost: {_first_lines(str(error))}") from None
    if stop:
        _log("hpt: stopped by SIGTERM" + ("" if model else " before the first round; no model"))
    if model is not None:
        folders.model.mkdir(parents=True, exist_ok=True)
        write_atomically(folders.model / MODEL, model)


def _import_xgboost(environment: Mapping[str, str]) -> None:
    for module in _NOT_NEEDED:
        sys.modules.setdefault(module, None)  # type: ignore[arg-type]
    try:
        import xgboost
    except ImportError as error:
        raise UserError(
            f"the xgboost package cannot be imported ({error}); install it with: pip install 'hpt[xgboost]'"
        ) from None
    asked = find_algorithm(environment.get("HPT_REQUESTED_IMAGE", ""))
    requested = f" (requested {asked.requested_version})" if asked and asked.requested_version else ""
    _log(f"hpt: training with XGBoost {xgboost.__version__}{requested}")


def _read_tables(channels: Mapping[str, Channel], settings: Settings) -> dict[str, Table]:
    """The `train` and `validation` tables, checked against one another."""
    if "train" not in channels:
        present = ", ".join(channels) or "none"
        raise UserError(f"channel 'train' is missing (channels given: {present}); add it to InputDataConfig")
    if settings.target and settings.target.startswith("validation:") and "validation" not in channels:
        raise UserError(f"the tuning objective {settings.target} needs a channel 'validation'; add it")
    others = [name for name in channels if name not in ("train", "validation")]
    if others:
        _log(f"hpt: warning: channels not used by XGBoost: {', '.join(others)}")
    if settings.early_stopping_rounds is not None and "validation" not in channels:
        _log("hpt: warning: early_stopping_rounds has no effect without a channel 'validation'")
    names = [name for name in ("train", "validation") if name in channels]
    tables = {name: read_channel(channels[name], settings.csv_weights) for name in names}
    train = tables["train"]
    for name, table in tables.items():
        if (table.dense is None) != (train.dense is None):
            raise UserError(
                f"channel {name!r} and channel 'train' differ in format; use CSV or libsvm for both"
            )
        if table.dense is not None and table.width != train.width:
            raise UserError(f"channel {name!r} has {table.width} features, channel 'train' {train.width}")
    return tables


def _first_lines(message: str) -> str:
    """XGBoost's message without its stack trace and source position."""
    text = message.partition("Stack trace")[0].strip()
    head, _, rest = text.partition(": ")
    return (rest if ".cc:" in head or ".h:" in head else text).strip()


def _log(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    # This program multiplies no matrices: without this, numpy's BLAS starts a thread per core for nothing.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(container.run(main, os.environ))
