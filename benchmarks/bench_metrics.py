"""Reading metrics out of logs: `hpt` beside `re`, RE2 and Hyperscan, in CPU time of one core.

    python benchmarks/bench_metrics.py [--megabytes 500] [--slow-megabytes 10]

One log for each density of matching lines, read at one go with 1, 4 and 40 patterns; rivals that take a while
read its first part only. Every reader ends with the values as Python floats, so each does the same work:
Hyperscan finds the lines and `re` captures (its own captures, Chimera, are not in the wheels). The limit is
what `bytes.find` of an absent byte (memchr) costs. `plain` is `hpt` without the compiled reader: before it is
loaded, with NUMBA_DISABLE_JIT, or without Numba. Besides, what the compiled reader's first use costs beyond
the import of Numba, and a tuner that follows a thousand training jobs.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hpt.executors.base import LogChunk
from hpt.job.config import MetricDefinition
from hpt.metrics.definitions import CompiledDefinitions
from hpt.metrics.fast.loader import Loader
from hpt.metrics.scanner import MetricScanner
from hpt.metrics.tail import LogTail
from hpt.search.events import Event, MetricLogged, Reported
from hpt.storage.sqlite import SQLiteStorage

FOUR = (
    "loss=(.*?);",
    r"auc:([0-9\.]+)",
    r"\[[0-9]+\].*#011validation-auc:(\S+)",
    r"epoch [0-9]+ .* acc ([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)",
)
FORTY = (*FOUR, *(f"metric_{i:02d}[=:] ?([-+0-9.eE]+)" for i in range(36)))
NOISE = (
    "2024-05-01 12:00:{:02d},{:03d} INFO worker {}: fetched batch {} of {} from shard-{:05d} in {} ms",
    "[{}] step {}/{}  lr 0.{:06d}  throughput {} samples/s  mem {} GiB ({} tensors)",
    "DEBUG dataloader: queue size {}, prefetch {}, time so far {}s, host ip-10-0-{}-{}",
)
MATCHING = (
    "step {0} loss={1:.6f}; lr=0.001",
    "round {0} valid auc:{1:.5f} best so far",
    "[{0}]\ttrain-error:{1:.5f}\tvalidation-auc:{1:.5f}",
    "epoch {0} of 100 took 12.1s acc {1:.6e}",
)


def make_log(size: int, density: float, seed: int = 0) -> bytes:
    """About `size` bytes of which that share of lines holds a metric."""
    rng = random.Random(seed)
    lines, length = [], 0
    block = min(size, 8_000_000)  # then over and over
    while length < block:
        if rng.random() < density:
            line = rng.choice(MATCHING).format(rng.randrange(1000), rng.random())
        else:
            line = rng.choice(NOISE).format(*(rng.randrange(60) for _ in range(7)))
        lines.append(line)
        length += len(line) + 1
    text = ("\n".join(lines) + "\n").encode()
    return text * max(1, size // len(text))


def with_hpt(patterns: Sequence[str], loader: Loader) -> Callable[[bytes], int]:
    definitions = CompiledDefinitions([MetricDefinition(f"m{i}", p) for i, p in enumerate(patterns)], loader)

    return lambda log: len(MetricScanner(definitions).feed(log))


def by_line(compiled: Sequence[Any]) -> Callable[[bytes], int]:
    def read(log: bytes) -> int:
        matches = []
        for line in re.split(r"[\r\n]", log.decode("utf-8", "surrogateescape")):
            for index, pattern in enumerate(compiled):
                matches += [(index, float(match[1])) for match in pattern.finditer(line)]
        return len(matches)

    return read


def over_the_whole(patterns: Sequence[str]) -> Callable[[bytes], int]:
    compiled = [re.compile(pattern.replace("#011", "\t")) for pattern in patterns]

    def read(log: bytes) -> int:
        text = log.decode("utf-8", "surrogateescape")
        return sum(len([float(match[1]) for match in pattern.finditer(text)]) for pattern in compiled)

    return read


def with_hyperscan(patterns: Sequence[str], captures: bool) -> Callable[[bytes], int]:
    import hyperscan

    compiled = [re.compile(pattern) for pattern in patterns]
    database = hyperscan.Database()
    count = len(patterns)
    database.compile(
        expressions=[pattern.replace("#011", "\t").encode() for pattern in patterns],
        ids=list(range(count)),
        elements=count,
        flags=[0] * count,
    )

    def read(log: bytes) -> int:
        hits: dict[tuple[int, int], None] = {}
        last = [-1, -1]

        def on_match(index: int, start: int, end: int, flags: int, context: object) -> None:
            if end <= last[1]:
                line = last[0]
            else:
                line = log.rfind(b"\n", 0, end - 1) + 1
                last[0], last[1] = line, log.find(b"\n", end - 1)
            hits[line, index] = None

        def count_match(*_: object) -> None:
            last[0] += 1

        if not captures:
            last[0] = 0
            database.scan(log, match_event_handler=count_match)
            return last[0]
        database.scan(log, match_event_handler=on_match)
        values = []
        for line, index in hits:
            text = log[line : log.find(b"\n", line)].decode("utf-8", "surrogateescape").replace("\t", "#011")
            values += [float(match[1]) for match in compiled[index].finditer(text)]
        return len(values)

    return read


def speed(read: Callable[[bytes], int], log: bytes, repeats: int = 1) -> tuple[float, int]:
    """Best GB/s of CPU time, and the matches found."""
    best, found = float("inf"), 0
    for _ in range(repeats):
        start = time.process_time()
        found = read(log)
        best = min(best, time.process_time() - start)
    return len(log) / best / 1e9, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--slow-megabytes", type=int, default=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        for what in ("cold", "warm", "warm"):
            print(f"first use, {what}: {first_use(cache)}")
    loader = Loader()
    loader.wait()
    tuner_cost(loader, 10, 1)
    print(f"1,000 trials, 10 lines a second each, 1 % matching: {tuner_cost(loader):.1%} of a core")
    print("GB/s of one core's CPU time; in brackets: how many times `re` by line")
    print(f"{'match':>6} {'patterns':>8} {'hpt':>16} {'plain':>16} {'re, line':>9} {'re, whole':>9} "
          f"{'re2':>7} {'hyperscan':>9} {'+captures':>9} {'memchr':>7}")  # fmt: skip
    for density in (0.0, 0.01, 0.2, 1.0):
        log = make_log(arguments.megabytes * 1_000_000, density)
        part = make_log(min(arguments.slow_megabytes, arguments.megabytes) * 1_000_000, density)
        limit, _ = speed(lambda data: data.find(b"\x00"), log, 3)
        for patterns in (FOUR[:1], FOUR, FORTY):
            ours, _ = speed(with_hpt(patterns, loader), log, 2)
            same = [read(part) for read in (with_hpt(patterns, loader), with_hpt(patterns, Loader(10**18)))]
            assert same[0] == same[1], same
            line, _ = speed(by_line([re.compile(pattern) for pattern in patterns]), part, 2)
            whole, _ = speed(over_the_whole(patterns), part)
            plain, _ = speed(with_hpt(patterns, Loader(10**18)), part, 3)
            rivals = [f"{speed_of:7.3f} ({speed_of / line:5.1f}x)" for speed_of in (ours, plain)]
            rivals += [f"{line:9.3f}", f"{whole:9.3f}"]
            rivals.append(_with_re2(patterns, part))
            rivals += _with_hyperscan(patterns, part, log)
            print(
                f"{density:6.0%} {len(patterns):8} {' '.join(f'{cell:>9}' for cell in rivals)} {limit:7.2f}"
            )


FIRST_USE = """
import time
start = time.process_time(), time.perf_counter()
import numba.core.registry
target = numba.core.registry.cpu_target  # what Numba defers to the first use of compiled code
target.typing_context.refresh(), target.target_context.refresh()
begin = time.process_time(), time.perf_counter()
from hpt.metrics.fast.loader import Loader
assert Loader().wait() is not None
end = time.process_time(), time.perf_counter()
imported, used = ([b - a for a, b in zip(*pair)] for pair in ((start, begin), (begin, end)))
print(f"{used[0]:.2f} s of CPU, {used[1]:.2f} s, beyond numba's import of {imported[0]:.2f} s of CPU")
"""


def first_use(cache: str) -> str:
    """The cost of the compiled reader in a new process, compiled code kept in `cache`."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    command = [sys.executable, "-c", FIRST_USE]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def tuner_cost(loader: Loader, trials: int = 1000, seconds: int = 5) -> float:
    """Share of a core for reading and recording the metrics of so many trials that print 10 lines a second
    each.
    """
    definitions = CompiledDefinitions([MetricDefinition(f"m{i}", p) for i, p in enumerate(FOUR)], loader)
    log = make_log(trials * seconds * 800, 0.01)
    lines = log.splitlines(keepends=True)
    tails = [LogTail(definitions) for _ in range(trials)]
    chunks = [[b"".join(lines[10 * (s * trials + t) :][:10]) for t in range(trials)] for s in range(seconds)]
    with tempfile.TemporaryDirectory() as directory:
        storage = SQLiteStorage(Path(directory))
        storage.create("job", {}, 0.0)
        lease = storage.acquire("job")
        start = time.process_time()
        for second, of_trials in enumerate(chunks):
            events: list[Event] = []
            for trial, (tail, data) in enumerate(zip(tails, of_trials, strict=True)):
                chunk = LogChunk(tail.offset, data, ((tail.offset + len(data), float(second)),))
                for name, value, end, moment in tail.feed(chunk):
                    events.append(MetricLogged(moment, trial, 1, name, value, end))
                    events.append(Reported(moment, trial, value, 1.0))
            storage.append(lease, events, {})
        return (time.process_time() - start) / seconds


def _with_re2(patterns: Sequence[str], log: bytes) -> str:
    try:
        import re2
    except ImportError:
        return "      -"
    return f"{speed(by_line([re2.compile(pattern) for pattern in patterns]), log)[0]:7.3f}"


def _with_hyperscan(patterns: Sequence[str], part: bytes, log: bytes) -> list[str]:
    """On all of the log where that takes seconds."""
    cells = []
    for captures in (False, True):
        try:
            read = with_hyperscan(patterns, captures)
        except ImportError:
            return ["-", "-"]
        reached, _ = speed(read, part)
        cells.append(f"{speed(read, log, 2)[0] if reached > 0.2 else reached:9.3f}")
    return cells


if __name__ == "__main__":
    main()
