"""What durable state costs: appends, reads, and looking for notes.

python benchmarks/bench_storage.py [--events 100000] [--directory DIR]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from hpt.job.notes import stop_requested
from hpt.search.events import MetricLogged
from hpt.storage.sqlite import SQLiteStorage


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--directory", type=Path, default=None, help="where to write (default: temporary)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        storage = SQLiteStorage(Path(directory))
        storage.create("job", {}, time.time())
        lease = storage.acquire("job")
        event = MetricLogged(time.time(), 1, 1, "validation:auc", 0.987654321, 123456)
        summary = {"status": "InProgress", "counters": {"completed": 1, "running": 3}, "best": 0.98}

        def appends(count: int) -> tuple[float, float]:
            """Medians of wall clock and CPU of an append of 3 events, in seconds."""
            wall, cpu = [], []
            for _ in range(count):
                start, used = time.perf_counter(), time.process_time()
                storage.append(lease, [event] * 3, summary)
                wall.append(time.perf_counter() - start)
                cpu.append(time.process_time() - used)
            return median(wall), sum(cpu) / count

        print(f"{'events':>8}  {'append of 3, p50':>16}  {'CPU, mean':>10}")
        written = 0
        for target in (0, arguments.events // 100, arguments.events // 10, arguments.events):
            while written < target:
                storage.append(lease, [event] * 1000, summary)
                written += 1000
            wall, cpu = appends(500)
            written += 1500
            print(f"{written:>8}  {wall * 1e6:>13.0f} µs  {cpu * 1e6:>7.0f} µs")

        count = 20_000
        start = time.perf_counter()
        for _ in range(count):
            stop_requested(storage.notes("job"))
        print(f"notes, nothing new: {(time.perf_counter() - start) / count * 1e6:.1f} µs")
        start = time.perf_counter()
        recorded = storage.read("job")[1]
        elapsed = time.perf_counter() - start
        each = elapsed / len(recorded)
        print(f"read of {len(recorded):,} events: {elapsed:.2f} s ({each * 1e6:.1f} µs an event)")
        start = time.perf_counter()
        storage.jobs()
        print(f"jobs(), one job of as many events: {(time.perf_counter() - start) * 1e3:.2f} ms")

        many = SQLiteStorage(Path(directory) / "many")
        document = {"request": json.dumps({"x": "y" * 4000})}
        start = time.perf_counter()
        for i in range(200):
            many.create(f"job-{i}", document, 1.0)
        print(f"create: {(time.perf_counter() - start) / 200 * 1e3:.2f} ms")
        start = time.perf_counter()
        assert len(many.jobs()) == 200
        print(f"jobs() of 200: {(time.perf_counter() - start) * 1e3:.1f} ms")
        descriptor = os.open(Path(directory) / "probe", os.O_WRONLY | os.O_CREAT)
        syncs = []
        for _ in range(200):
            os.write(descriptor, b"x" * 4096)
            start = time.perf_counter()
            os.fdatasync(descriptor)
            syncs.append(time.perf_counter() - start)
        os.close(descriptor)
        print(f"for comparison, fdatasync of 4 KiB on this disk, p50: {median(syncs) * 1e6:.0f} µs")


if __name__ == "__main__":
    main()
