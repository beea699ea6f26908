"""Pages of a list that may grow while it is read (behaviour 13.5).

A token contains the sort key and the name of the last entry shown, so entries that are added meanwhile
neither repeat nor hide others. It also contains a digest of the query, because it only continues the same
list.
"""

from __future__ import annotations

import base64
import hashlib
import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from hpt.errors import InputError

T = TypeVar("T")
SortKey = float | int | str

DEFAULT_SIZE = 10
_NOT_PART_OF_THE_QUERY = ("NextToken", "MaxResults")


class _Place(NamedTuple):
    key: SortKey
    name: str


def take_page(
    entries: Iterable[T],
    *,
    key: Callable[[T], SortKey],
    name: Callable[[T], str],
    descending: bool,
    query: Mapping[str, Any],
    default_size: int = DEFAULT_SIZE,
) -> tuple[list[T], str | None]:
    """One page of the entries by `key`, ties by name, and the token of the next one or None.

    Parameters
    ----------
    entries
        All entries.
    key
        The sort key of an entry.
    name
        The name of an entry, which is unique.
    descending
        Whether the largest key comes first; names always ascend.
    query
        The operation's name and every member of the request. NextToken and MaxResults give the start and the
        size of the page; all others must stay the same from page to page.
    default_size
        The size of the page if MaxResults is missing.

    Returns
    -------
    page : list
        The entries of the page.
    token : str or None
        The NextToken of the reply, None after the last page.

    Raises
    ------
    InputError
        The token was not given for this query.
    """
    ordered = sorted(entries, key=name)
    ordered.sort(key=key, reverse=descending)  # stable: ties stay in the order of their names
    start = 0
    token = query.get("NextToken")
    if token is not None:
        last = _read(token, query)
        start = bisect_left(
            range(len(ordered)),
            True,
            key=lambda i: _comes_after(_Place(key(ordered[i]), name(ordered[i])), last, descending),
        )
    end = start + query.get("MaxResults", default_size)
    page = ordered[start:end]
    more = len(ordered) > end
    return page, _write(_Place(key(page[-1]), name(page[-1])), query) if more else None


def _comes_after(place: _Place, last: _Place, descending: bool) -> bool:
    if place.key == last.key:
        return place.name > last.name
    after: bool = place.key < last.key if descending else place.key > last.key  # type: ignore[operator]
    return after


def _digest(query: Mapping[str, Any]) -> str:
    members = {key: value for key, value in query.items() if key not in _NOT_PART_OF_THE_QUERY}
    text = json.dumps(members, sort_keys=True)
    return hashlib.blake2s(text.encode(), digest_size=8).hexdigest()


def _write(place: _Place, query: Mapping[str, Any]) -> str:
    text = json.dumps([_digest(query), place.key, place.name], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read(token: str, query: Mapping[str, Any]) -> _Place:
    try:
        digest, key, name = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (ValueError, TypeError):
        digest = key = name = None
    wanted = (str, int, float)
    if not isinstance(digest, str) or not isinstance(name, str) or not isinstance(key, wanted):
        raise InputError(f"NextToken {token[:80]!r} was not given here; leave it out to start again")
    if digest != _digest(query):
        raise InputError(
            "NextToken belongs to another list: filters and order must stay the same from page to page; "
            "repeat them, or leave NextToken out to start again"
        )
    return _Place(key, name)
