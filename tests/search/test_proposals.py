"""Searches propose what they always proposed. `python -m tests.search.proposals` writes the table anew."""

from __future__ import annotations

import pytest

from tests.search import proposals


@pytest.mark.parametrize("case", proposals.CASES)
def test_the_same_seeds_give_the_same_proposals(case: str) -> None:
    """To the bit on a platform that the table knows, as numbers for the first dozen on any."""
    table, key = proposals.read_table(), proposals.platform_key()
    found = proposals.CASES[case]()
    assert list(proposals.differences(case, found, table)) == []
    if key in table["platforms"]:
        assert proposals.digest(found) == table["platforms"][key][case], (
            f"the bits of {case} changed on {key}"
        )


def test_the_table_is_of_these_searches() -> None:
    table = proposals.read_table()
    assert list(table["searches"]) == list(proposals.CASES)
    for key, hashes in table["platforms"].items():
        assert list(hashes) == list(proposals.CASES), key
