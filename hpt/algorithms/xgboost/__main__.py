"""`python -m hpt.algorithms.xgboost`: trains in `$SAGEMAKER_BASE_DIR` (behaviour 16, 17.3).

Channels `train` (required) and `validation`; the model goes to `model/xgboost-model`, checkpoints to
`checkpoints/xgboost-checkpoint.<n>`. `$HPT_REQUESTED_IMAGE`: the image the job named, for the first log line.
"""

from __future__ import annotations

from collections.abc import Mapping

from hpt.algorithms import container, program
from hpt.algorithms.channels import Table, read_channel
from hpt.algorithms.checkpoints import Checkpoints
from hpt.algorithms.container import Channel, Folders, StopRequest, UserError
from hpt.algorithms.loop import Loop
from hpt.algorithms.xgboost import hyperparameters
from hpt.algorithms.xgboost.hyperparameters import Settings
from hpt.job.catalog.xgboost import XGBOOST

MODEL = "xgboost-model"
CHECKPOINT = "xgboost-checkpoint"

# XGBoost imports these if it finds them, for interfaces not used here; without them a trial starts in a third
# of the CPU time. None makes Python treat a module as not installed.
_NOT_NEEDED = ("sklearn", "pandas", "xgboost.sklearn")


def main(folders: Folders, stop: StopRequest) -> None:
    """One training run; raises what `container.run` turns into an exit code."""
    settings = program.read_settings(folders, hyperparameters.read)
    xgboost = program.import_library("xgboost", XGBOOST, "XGBoost", without=_NOT_NEEDED)
    from hpt.algorithms.xgboost import training

    tables = _read_tables(container.read_channels(folders), settings)
    width = max(table.width for table in tables.values())
    for name, table in tables.items():
        training.check_labels(name, table, settings)
    loop = Loop(Checkpoints(folders.checkpoints, CHECKPOINT), stop, program.log, "round", "num_round")
    try:
        data = [training.build_data(name, table, width, settings) for name, table in tables.items()]
        model = training.train(settings, data, loop)
    except xgboost.core.XGBoostError as error:
        message = str(error).partition("Stack trace")[0]
        raise UserError(f"XGBoost: {program.message_without_source(message)}") from None
    program.finish(folders, stop, MODEL, model, unit="round")


def _read_tables(channels: Mapping[str, Channel], settings: Settings) -> dict[str, Table]:
    """The `train` and `validation` tables, checked against one another."""
    if settings.early_stopping_rounds is not None and "validation" not in channels:
        program.log("hpt: warning: early_stopping_rounds has no effect without a channel 'validation'")
    return program.read_tables(
        channels,
        ("train", "validation"),
        title="XGBoost",
        target=settings.target,
        read=lambda channel: read_channel(channel, settings.csv_weights == 1),
    )


if __name__ == "__main__":
    program.start(main)
