"""What the programs that boost trees share: the best round and patience; of LightGBM and CatBoost also their
channels, categories, settings, and the task and its labels.

These two take rows as SageMaker's containers do: a channel `train` (or `training`) and, if there is one,
`validation`; or one channel whose folder holds `train/` and `validation/`. Without validation rows a fifth of
the training rows is held out at random. `categorical_index.json` beside the training rows,
`{"cat_index_list": [1, 3]}`, names columns that are categories, the label being column 0.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hpt.algorithms import program
from hpt.algorithms.channels import CATEGORIES, Table, read_channel
from hpt.algorithms.container import Channel, UserError
from hpt.algorithms.settings import BaseSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_HELD_OUT = 0.2
_MOST_CLASSES = 100  # more distinct integer labels are taken for values, unless the job says otherwise

REGRESSION, BINARY, MULTICLASS = "regression", "binary", "multiclass"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoostingSettings(BaseSettings):
    """What LightGBM and CatBoost both need to know.

    task: None where the labels decide. early_stopping_rounds: rounds without improvement, 0 or less for no
    early stopping. library: parameters for the library.
    """

    task: str | None
    early_stopping_rounds: int
    library: Mapping[str, object]

    @property
    def patience(self) -> int:
        return max(0, self.early_stopping_rounds)


@dataclass(frozen=True, slots=True)
class Rows:
    """X: (n, d) features, dense with NaN for missing, or CSR. y: (n,) labels."""

    X: Any
    y: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Data:
    """Training and validation rows and the columns of X that are categories.

    image: the training image, whose name may say the task: `lightgbm-regression-model`.
    """

    train: Rows
    validation: Rows
    categories: tuple[int, ...]
    image: str = ""

    def class_count(self, what: str, count: int | None = None) -> int:
        """As `program.class_count`."""
        named = {"train": self.train, "validation": self.validation}
        return program.class_count({name: Table(name, rows.y) for name, rows in named.items()}, what, count)

    def task(self) -> str:
        """The task that the image names or the labels suggest: 0 and 1, a few integers from 0 on, or else."""
        import numpy as np

        if "-regression-" in self.image:
            return REGRESSION
        distinct = np.unique(np.concatenate([self.train.y, self.validation.y]))
        if len(distinct) <= 2 and set(distinct.tolist()) <= {0.0, 1.0}:
            return BINARY
        counted = len(distinct) <= _MOST_CLASSES and np.array_equal(distinct, np.arange(len(distinct)))
        return MULTICLASS if counted or "-classification-" in self.image else REGRESSION


def read_data(channels: Mapping[str, Channel], title: str, seed: int, image: str = "") -> Data:
    """The rows of both kinds.

    Parameters
    ----------
    channels
        Those the job has.
    title
        The algorithm's name in messages.
    seed
        Which rows are held out where none are given for validation.
    image
        The training image.

    Raises
    ------
    UserError
        As `read_tables`, or the file of categories is wrong.
    """
    import numpy as np

    given = {"train" if name == "training" else name: channel for name, channel in channels.items()}
    if "train" in given and "validation" not in given:
        folder = given["train"].path
        if (folder / "train").is_dir():
            parts = [name for name in ("train", "validation") if (folder / name).is_dir()]
            given |= {name: replace(given["train"], name=name, path=folder / name) for name in parts}
    tables = program.read_tables(given, ("train", "validation"), title=title, target=None, read=read_channel)
    width = max(table.width for table in tables.values())
    rows = {name: Rows(table.features(width), table.labels) for name, table in tables.items()}
    categories = _categories([channels.get("train", channels.get("training")), given["train"]], width)
    if "validation" not in rows:
        count = len(rows["train"].y)
        if count < 2:
            raise UserError("channel 'train' has one row and there is no validation channel; add rows")
        order = np.random.default_rng(seed).permutation(count)
        held = max(1, round(_HELD_OUT * count))
        program.log(f"hpt: no validation channel: {held} of {count} rows held out at random")
        whole = rows["train"]
        rows["validation"] = Rows(whole.X[order[:held]], whole.y[order[:held]])
        rows["train"] = Rows(whole.X[order[held:]], whole.y[order[held:]])
    return Data(rows["train"], rows["validation"], categories, image)


def _categories(channels: list[Channel | None], width: int) -> tuple[int, ...]:
    """Columns of X that are categories, from the file beside the training rows."""
    folders = [channel.path for channel in channels if channel is not None and channel.path.is_dir()]
    for path in (folder / name for folder in folders for name in CATEGORIES):
        if not path.is_file():
            continue
        try:
            listed = json.loads(path.read_text(encoding="utf-8"))["cat_index_list"]
            columns = [int(index) for index in listed]
            well_formed = columns == listed and all(0 < index <= width for index in columns)
        except (ValueError, KeyError, TypeError):
            well_formed = False
        if not well_formed:
            raise UserError(
                f'{path.name}: must be {{"cat_index_list": [...]}} with integers from 1 to {width} '
                "(column 0 is the label)"
            )
        return tuple(index - 1 for index in sorted(set(columns)))
    return ()


@dataclass(frozen=True, slots=True)
class Best:
    """The best round so far (from 0) and its value; -1 and NaN if there is none."""

    round: int = -1
    value: float = math.nan

    def after(self, number: int, value: float, *, maximize: bool) -> Best:
        """The best once `value` came in round `number`; NaN is never better."""
        better = value > self.value if maximize else value < self.value
        return Best(number, value) if better or self.value != self.value else self

    def is_old(self, done: int, patience: int | None) -> bool:
        """Whether `patience` rounds up to the last of `done` were not better; never without patience."""
        return bool(patience) and self.round >= 0 and done - 1 - self.round >= (patience or 0)
