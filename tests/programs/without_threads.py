"""Proposals by one thread and by two where a second one cannot be started; prints each in hexadecimal.

Meant to be started with stacks of 4 GiB: the 1 GiB of addresses left to it holds no further one.
"""

import resource
import threading
from pathlib import Path

import numpy as np

from hpt.search import core
from hpt.search.parameters import Coordinate

used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), resource.RLIM_INFINITY))
try:
    threading.Thread(target=print).start()
except RuntimeError:
    pass
else:
    raise SystemExit("a thread could be started")

space, rng, none = (
    [Coordinate("continuous", "linear", 0.0, 1.0, 0)] * 4,
    np.random.default_rng(0),
    np.empty((0, 4)),
)
X = rng.random((450, 4))
y = ((X - 0.37) ** 2).sum(axis=1)
for threads in (1, 2):
    model = core.Model(space, X, y, core.fit(space, X, y, threads=threads), threads)
    row = model.propose(none, none, 1, 451)
    assert row is not None
    print(*(float(value).hex() for value in row))
