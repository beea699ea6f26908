"""What LightGBM and CatBoost share: their channels, categories, the task and its labels, patience.

Both take rows as SageMaker's containers do: a channel `train` (or `training`) and, if there is one,
`validation`; or one channel whose folder holds `train/` and `validation/`. Without validation rows a fifth of
the training rows is held out at random. `categorical_index.json` beside the training rows,
`{"cat_index_list": [1, 3]}`, names columns that are categories, the label being column 0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hpt.algorithms import program
from hpt.algorithms.channels import CATEGORIES, Table, read_channel
from hpt.algorithms.container import Channel, UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_HELD_OUT = 0.2
_MOST_CLASSES = 100  # more distinct whole labels are taken for numbers, unless the job says otherwise

REGRESSION, BINARY, MULTICLASS = "regression", "binary", "multiclass"


@dataclass(frozen=True, slots=True)
class Rows:
    """X: (n, d) features, dense with NaN for missing, or CSR. y: (n,) labels."""

    X: Any
    y: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Data:
    """Training and validation rows and the columns of X that are categories."""

    train: Rows
    validation: Rows
    categories: tuple[int, ...]

    def class_count(self, what: str, count: int | None = None) -> int:
        tables = {name: Table(name, rows.y) for name, rows in self._named()}
        return program.class_count(tables, what, count)

    def _named(self) -> tuple[tuple[str, Rows], ...]:
        return ("train", self.train), ("validation", self.validation)


def read_data(channels: Mapping[str, Channel], title: str, seed: int) -> Data:
    """The rows of both kinds.

    Raises:
        UserError: as `read_tables`, or the file of categories is wrong.
    """
    import numpy as np

    given = {"train" if name == "training" else name: channel for name, channel in channels.items()}
    if "train" in given and "validation" not in given:
        folder = given["train"].path
        if (folder / "train").is_dir():
            parts = [name for name in ("train", "validation") if (folder / name).is_dir()]
            given |= {name: replace(given["train"], name=name, path=folder / name) for name in parts}
    tables = program.read_tables(
        given, ("train", "validation"), title=title, objective=(None, None), read=read_channel
    )
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
    return Data(rows["train"], rows["validation"], categories)


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
                f'{path.name}: must be {{"cat_index_list": [...]}} with whole numbers from 1 to {width} '
                "(column 0 is the label)"
            )
        return tuple(index - 1 for index in sorted(set(columns)))
    return ()


def task_of_image(image: str) -> str | None:
    """The task that a model id names: `lightgbm-regression-model`; None if it is open.

    `classification` covers two classes and more; the labels tell which.
    """
    for word in ("regression", "classification"):
        if f"-{word}-" in image:
            return word
    return None


def task_of_labels(data: Data, hint: str | None) -> str:
    """The task the labels suggest: 0 and 1, a few whole numbers from 0 on, or anything else."""
    import numpy as np

    if hint in (REGRESSION, BINARY, MULTICLASS):
        return hint
    distinct = np.unique(np.concatenate([data.train.y, data.validation.y]))
    if len(distinct) <= 2 and set(distinct.tolist()) <= {0.0, 1.0}:
        return BINARY
    counted = len(distinct) <= _MOST_CLASSES and np.array_equal(distinct, np.arange(len(distinct)))
    if counted or hint == "classification":
        return MULTICLASS
    return REGRESSION


@dataclass(frozen=True, slots=True)
class Best:
    """The best round so far (from 0) and its value."""

    round: int
    value: float

    def after(self, number: int, value: float, *, maximize: bool) -> Best:
        """The best once `value` came in round `number`; NaN is never better."""
        better = value > self.value if maximize else value < self.value
        return Best(number, value) if better or self.value != self.value else self
