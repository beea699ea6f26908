"""What isolation costs a training job: in a namespace with `/opt/ml`, and in a container, beside a plain one.

    python benchmarks/bench_isolation.py [--rounds 30] [--image localhost/me/trainer:1]

Each round runs the same shell script once in each way, one after the other, from its submission to the news
of its end, and prints medians: of the times, of their differences in the same round and of their ratios, and
of the CPU time of supervisor and program. Containers are measured with `HPT_CONTAINER_ENGINE` and
`HPT_CONTAINER_OPTIONS`, on an image with `/bin/sh`; without one an image around the static BusyBox is made,
and removed again. Limit: 10 ms of CPU more in a namespace.
"""

from __future__ import annotations

import argparse
import os
import resource
import shlex
import shutil
import statistics
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from hpt.executors import own_paths
from hpt.executors.base import Submission
from hpt.executors.local import LocalExecutor
from hpt.host import container_engine, namespace
from hpt.host.container_engine import EngineError
from hpt.job.config import Objective, TrainingJobDefinition
from hpt.search.space import ContinuousParameter, SearchSpace
from hpt.search.trial import ObjectiveType

LIMIT_MS = 10.0
IMAGE = "localhost/hpt-benchmark/train:1"
Cost = tuple[float, float]
"""Seconds of a training job, and of the CPU."""

SPACE = SearchSpace([ContinuousParameter("x", 0, 1)])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--image", help="an image with /bin/sh and a command `train`")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, _image(options.image) as image:
        place = Path(directory)
        program = place / "train.sh"
        program.write_text('#!/bin/sh\necho "loss=0.5;"\n')
        program.chmod(0o755)
        ways = {"plain": (str(program), "never")}
        if (refusal := namespace.cannot_bind("/opt/ml")) is None:
            ways["namespace"] = (str(program), "always")
        else:
            print(f"namespace   not measured: {refusal}")
        if image is not None:
            ways["container"] = (image, "never")
        executor = LocalExecutor(place / "trials")
        times: dict[str, list[Cost]] = {way: [] for way in ways}
        for number in range(options.rounds + 1):
            for way, (runs, choice) in ways.items():
                os.environ[own_paths.VARIABLE] = choice
                cost = _run(executor, f"{way}-{number}", runs)
                if number:  # the first warms caches up
                    times[way].append(cost)
    return _report(times)


def _report(times: dict[str, list[Cost]]) -> int:
    plain = times["plain"]
    wall, cpu = (statistics.median(each) * 1e3 for each in zip(*plain, strict=True))
    print(f"plain       {wall:7.1f} ms, {cpu:5.1f} ms of CPU a training job, medians of {len(plain)}")
    more_cpu = 0.0
    for way in [way for way in times if way != "plain"]:
        pairs = list(zip(times[way], plain, strict=True))
        wall, cpu = (statistics.median(each) * 1e3 for each in zip(*times[way], strict=True))
        more = statistics.median(mine[0] - theirs[0] for mine, theirs in pairs) * 1e3
        ratio = statistics.median(mine[0] / theirs[0] for mine, theirs in pairs)
        line = f"{way:<11} {wall:7.1f} ms, {more:+7.1f} ms, ratio {ratio:.2f}"
        if way == "namespace":  # most of a container's is the engine's
            more_cpu = statistics.median(mine[1] - theirs[1] for mine, theirs in pairs) * 1e3
            line += f"; {cpu:5.1f} ms of CPU, {more_cpu:+.1f} ms   limit {LIMIT_MS:+.1f} ms"
        print(line)
    return 0 if more_cpu <= LIMIT_MS else 1


def _run(executor: LocalExecutor, name: str, image: str) -> Cost:
    """The seconds from a submission to the news of its end, and of CPU time."""
    definition = TrainingJobDefinition(image, SPACE, Objective("loss", ObjectiveType.MINIMIZE))
    before, began = _cpu(), time.perf_counter()
    executor.submit(Submission(name, 1, {}, definition))
    wall = None
    while wall is None or _has_children():
        for update in executor.poll():
            if update.exit is not None:
                wall = time.perf_counter() - began
                if update.exit.exit_code != 0:
                    raise SystemExit(f"{name}: {update.exit.reason}")
        time.sleep(0.0005)
    return wall, _cpu() - before


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _has_children() -> bool:
    return bool(Path(f"/proc/self/task/{os.getpid()}/children").read_text().strip())


@contextmanager
def _image(given: str | None) -> Iterator[str | None]:
    """The image to run; None, and a line that says why, where there is none or it cannot run."""
    made = False
    try:
        engine = container_engine.find(os.environ)
        if given is None:
            made = _import(engine)
        found = container_engine.cannot_run(given or IMAGE, os.environ)
        if found is not None:
            print(f"container   not measured: {found[0]}")
        yield (given or IMAGE) if found is None else None
    except EngineError as error:
        print(f"container   not measured: {error}")
        yield None
    finally:
        if made:
            subprocess.run([*engine, "rmi", "--force", IMAGE], capture_output=True, check=False)


def _import(engine: list[str]) -> bool:
    busybox = shutil.which("busybox")
    if busybox is None:
        raise EngineError("no image is given, and no static busybox is installed to make one of")
    with tempfile.NamedTemporaryFile(suffix=".tar") as archive:
        with tarfile.open(fileobj=archive, mode="w") as tar:
            train = b'#!/bin/sh\necho "loss=0.5;"\n'
            for name, content in (("busybox", Path(busybox).read_bytes()), ("train", train)):
                file = tarfile.TarInfo(f"bin/{name}")
                file.size, file.mode = len(content), 0o755
                tar.addfile(file, BytesIO(content))
            link = tarfile.TarInfo("bin/sh")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        archive.flush()
        words = [*engine, "import", archive.name, IMAGE]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineError(f"{shlex.join(words)} failed: {done.stderr.strip()}")
    return True


if __name__ == "__main__":
    raise SystemExit(main())
