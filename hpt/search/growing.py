"""What grows by appending only, so that views of what it was stay true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from hpt.search.trial import Report

Float64Array = NDArray[np.float64]


class Rows:
    """A matrix that grows by appending; views of earlier lengths stay valid and unchanged."""

    def __init__(self, width: int) -> None:
        self._data = np.empty((16, width))
        self.count = 0

    def append(self, row: Float64Array) -> None:
        if self.count == len(self._data):
            grown = np.empty((2 * self.count, self._data.shape[1]))
            grown[: self.count] = self._data
            self._data = grown
        self._data[self.count] = row
        self.count += 1

    def view(self, count: int) -> Float64Array:
        view = self._data[:count]
        view.flags.writeable = False
        return view


class Prefix(Sequence[Report]):
    """The first `count` entries of a list that only ever grows."""

    __slots__ = ("_count", "_items")

    def __init__(self, items: list[Report], count: int) -> None:
        self._items = items
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Report: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Report]: ...
    def __getitem__(self, index: int | slice) -> Report | Sequence[Report]:
        if isinstance(index, slice):
            return [self._items[i] for i in range(*index.indices(self._count))]
        position = index + self._count if index < 0 else index
        if not 0 <= position < self._count:
            raise IndexError(f"report {index} of {self._count}")
        return self._items[position]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))
