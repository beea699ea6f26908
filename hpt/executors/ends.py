"""Sleeping until a child process ends, rather than looking again and again whether it has."""

from __future__ import annotations

import os
import select
from collections.abc import Iterable


def wait(children: Iterable[int], seconds: float, also: Iterable[int] = ()) -> set[int]:
    """Sleep until one of the children has ended, one of the descriptors `also` can be read, or so long.

    A child that was waited for meanwhile, or that cannot be watched, is left out. Returns those of `also`
    that can be read.
    """
    waiting, watched, others = select.poll(), [], set(also)
    try:
        for pid in children:
            try:
                watched.append(os.pidfd_open(pid))
            except OSError:  # gone, or no descriptors are left: the time is waited for
                continue
        for descriptor in [*watched, *others]:
            waiting.register(descriptor, select.POLLIN)
        ready = waiting.poll(max(0.0, seconds) * 1000)
        return others & {descriptor for descriptor, _ in ready}
    finally:
        for descriptor in watched:
            os.close(descriptor)
