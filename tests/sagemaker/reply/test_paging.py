"""Pages of lists that change while they are read (behaviour 13.5)."""

from __future__ import annotations

import base64
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpt.errors import InputError
from hpt.sagemaker.reply.paging import take_page

Entry = tuple[float, str]


def page(entries: list[Entry], token: str | None, *, descending: bool = False, size: int = 3, **more: Any):
    query = {"Operation": "List", **more, "MaxResults": size}
    if token is not None:
        query["NextToken"] = token
    return take_page(entries, key=lambda e: e[0], name=lambda e: e[1], descending=descending, query=query)


def read_all(entries: list[Entry], *, descending: bool = False, size: int = 3) -> list[list[Entry]]:
    pages, token = [], None
    while True:
        shown, token = page(entries, token, descending=descending, size=size)
        pages.append(shown)
        if token is None:
            return pages


ENTRIES = st.lists(
    st.tuples(st.sampled_from([0.1, 0.5, 0.5000000001, -3.0]), st.text("abXY-", min_size=1, max_size=4)),
    unique_by=lambda entry: entry[1],
    max_size=12,
)


@settings(deadline=None)
@given(entries=ENTRIES, descending=st.booleans(), size=st.integers(1, 5))
def test_pages_together_are_the_sorted_list(entries: list[Entry], descending: bool, size: int) -> None:
    expected = sorted(sorted(entries, key=lambda e: e[1]), key=lambda e: e[0], reverse=descending)
    pages = read_all(entries, descending=descending, size=size)
    assert [entry for shown in pages for entry in shown] == expected
    assert all(len(shown) == size for shown in pages[:-1])


@settings(deadline=None)
@given(entries=ENTRIES, later=ENTRIES, descending=st.booleans(), seed=st.integers(0, 9))
def test_entries_that_come_meanwhile_neither_repeat_nor_hide_others(
    entries: list[Entry], later: list[Entry], descending: bool, seed: int
) -> None:
    growing = list(entries)
    names = {name for _, name in entries}
    coming = [entry for entry in later if entry[1] not in names]
    random.Random(seed).shuffle(coming)
    seen: list[Entry] = []
    token = None
    while True:
        shown, token = page(growing, token, descending=descending, size=2)
        seen += shown
        if token is None:
            break
        growing += coming[:2]
        del coming[:2]
    assert len(seen) == len(set(seen))
    assert set(entries) <= set(seen)


def test_a_token_continues_one_list_only() -> None:
    entries = [(float(i), f"n{i}") for i in range(9)]
    _, token = page(entries, None, NameContains="n")
    assert page(entries, token, NameContains="n", size=2)[0] == entries[3:5]  # MaxResults may change
    for other in ({"NameContains": "x"}, {}, {"NameContains": "n", "SortOrder": "Descending"}):
        with pytest.raises(InputError, match="belongs to another list"):
            page(entries, token, **other)


@pytest.mark.parametrize(
    "token",
    ["", "nonsense", "é", base64.b64encode(b"[1,2]").decode(), base64.b64encode(b'["a",[],"b"]').decode()],
)
def test_what_is_no_token(token: str) -> None:
    with pytest.raises(InputError, match="NextToken"):
        page([(1.0, "a")], token)
