"""What training jobs on nodes of a cluster cost, in seconds at the full price of a machine (behaviour 11.4).

A node that its provider may take away costs less; its label `price-share` says which share of the full
price, where that is known. Downloading, compressing and uploading are charged as training is, and what an
interruption has made void is charged too; waiting for a node is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from hpt.fleet.followed import Followed
from hpt.fleet.nodes import Node
from hpt.fleet.placements import Placement

SHARE_LABEL = "price-share"
"""The label of a node that says what it costs as a share of the full price: more than 0, at most 1."""


def share_of(node: Node) -> float:
    """The share of the full price; 1 where no label says less: no saving is claimed that is not known."""
    try:
        share = float(node.labels.get(SHARE_LABEL, ""))
    except ValueError:
        return 1.0
    return share if 0.0 < share <= 1.0 else 1.0


def seconds_charged(share: float, times: Mapping[str, float], end: float | None) -> int | None:
    """The seconds charged for an attempt.

    Parameters
    ----------
    share
        Of the full price.
    times
        When each of its phases began, in seconds since the epoch.
    end
        When it ended, or was lost.

    Returns
    -------
    int or None
        At least 1; None where nothing of it ran.
    """
    began = min((times[phase] for phase in ("Downloading", "Training") if phase in times), default=None)
    if began is None or end is None:
        return None
    return max(1, ceil(round(share * max(0.0, end - began), 6)))


def charged(followed: Followed, placement: Placement | None, end: float | None) -> int | None:
    """As `seconds_charged`, for an attempt of a job on Spot capacity; None for others, of which no saving is
    told. One whose node was gone before this tuner came has begun when it was placed, as far as is known.
    """
    if not followed.submission.definition.spot or placement is None:
        return None
    times: Mapping[str, float] = followed.times
    if not times and not followed.fresh and placement.time:
        times = {"Training": placement.time}
    return seconds_charged(placement.share, times, end)
