"""Modules that moved are found by the names that stored jobs know."""

from __future__ import annotations

import importlib
import io
import pickle
from pathlib import Path

import pytest

import hpt
from hpt.functions.payload import _Unpickler
from hpt.job.moved import MOVED, present_name


@pytest.mark.parametrize("old", MOVED)
def test_what_moved_is_there(old: str) -> None:
    importlib.import_module(present_name(old))
    assert present_name(old) not in MOVED
    folder = Path(hpt.__file__).parent.joinpath(*old.split(".")[1:])
    assert not folder.with_suffix(".py").exists() and not (folder / "__init__.py").exists()


@pytest.mark.parametrize(
    ("old", "present"),
    [
        ("hpt.space", "hpt.search.space"),
        ("hpt.strategies.grid", "hpt.search.strategies.grid"),
        ("hpt.strategies.transfer", "hpt.search.strategies.related"),
        ("hpt.function_worker", "hpt.functions.worker"),
        ("hpt.search.space", "hpt.search.space"),
        ("hpt.spacecraft", "hpt.spacecraft"),
        ("hpt", "hpt"),
        ("space", "space"),
        ("mine.hpt.space", "mine.hpt.space"),
        ("", ""),
    ],
)
def test_a_name_is_followed_by_whole_words(old: str, present: str) -> None:
    assert present_name(old) == present


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        ("hpt.space", "SearchSpace", hpt.SearchSpace),
        ("hpt.parameters", "ContinuousParameter", hpt.ContinuousParameter),
        ("hpt.space", "IntegerParameter", hpt.IntegerParameter),
        ("hpt.trial", "TrialStatus", hpt.TrialStatus),
        ("hpt.reporting", "report", hpt.report),
        ("hpt.tune", "tune", hpt.tune),
        ("hpt.search.space", "SearchSpace", hpt.SearchSpace),
    ],
)
def test_a_pickle_of_an_earlier_version_is_read(module: str, name: str, value: object) -> None:
    """As protocol 0 refers to a class or function: the opcode `c` and its module and name, a line each."""
    assert _Unpickler(io.BytesIO(f"c{module}\n{name}\n.".encode())).load() is value


def test_a_pickled_space_comes_back() -> None:
    space = hpt.SearchSpace(
        [hpt.ContinuousParameter("x", 0, 1), hpt.CategoricalParameter("kind", ["a", "b"])]
    )
    pickled = pickle.dumps(space, protocol=0)
    old = pickled.replace(b"hpt.search.space", b"hpt.space").replace(
        b"hpt.search.parameters", b"hpt.parameters"
    )
    old = old.replace(b"hpt.search.scaling", b"hpt.scaling")
    assert old != pickled
    again = _Unpickler(io.BytesIO(old)).load()
    assert [repr(each) for each in again.parameters] == [repr(each) for each in space.parameters]
