"""The compiled reader is loaded when it pays, cached where that is possible, and never needed."""

from __future__ import annotations

import ctypes
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import hpt
from hpt.job.config import MetricDefinition
from hpt.metrics.definitions import CompiledDefinitions
from hpt.metrics.fast.cache import cache_directory
from hpt.metrics.fast.loader import Loader
from hpt.metrics.scanner import MetricScanner

LOSS = [MetricDefinition("loss", "loss=([0-9.]+);")]

READ = """
import sys, warnings
warnings.simplefilter("always")
from hpt.job.config import MetricDefinition
from hpt.metrics.definitions import CompiledDefinitions
from hpt.metrics.fast.loader import Loader
from hpt.metrics.scanner import MetricScanner
loader = Loader()
reader = loader.wait()
scanner = MetricScanner(CompiledDefinitions([MetricDefinition("loss", "loss=([0-9.]+);")], loader))
assert scanner.feed(b"x loss=0.5; y\\nloss=2;\\n") == [(0, 0.5, 14), (0, 2.0, 22)], scanner
print("compiled" if reader else loader.failure)
"""


def run(
    environment: dict[str, str], program: str = READ, directory: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program that permissions bind, also where the tests run as root."""
    inherited = {
        name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH") if name in os.environ
    }
    return subprocess.run(
        [sys.executable, "-c", program],
        env=inherited | environment,
        cwd=directory,
        preexec_fn=_obey_permissions,
        capture_output=True,
        text=True,
        timeout=300,
    )


def _obey_permissions() -> None:
    libc = ctypes.CDLL(None)
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Path]:
    """A copy of the package that cannot be written, in a directory to run in."""
    place = tmp_path / "site"
    shutil.copytree(Path(hpt.__file__).parent, place / "hpt", ignore=shutil.ignore_patterns("__pycache__"))
    entries = [place, *place.rglob("*")]
    for entry in entries:
        entry.chmod(stat.S_IMODE(entry.stat().st_mode) & ~0o222)
    yield place
    assert sorted([place, *place.rglob("*")]) == sorted(entries)
    for entry in entries:
        entry.chmod(stat.S_IMODE(entry.stat().st_mode) | 0o200)


def read_only(directory: Path) -> str:
    directory.mkdir()
    directory.chmod(0o555)
    return str(directory)


def compiled_files(directory: Path) -> list[Path]:
    return sorted(directory.rglob("*.nbc"))


def test_a_log_that_is_short_never_loads_numba() -> None:
    program = (
        "import sys\n"
        "from hpt.job.config import MetricDefinition\n"
        "from hpt.metrics.definitions import CompiledDefinitions\n"
        "from hpt.metrics.scanner import MetricScanner\n"
        "scanner = MetricScanner(CompiledDefinitions([MetricDefinition('loss', 'loss=([0-9.]+);')]))\n"
        "assert len(scanner.feed(b'loss=1;\\n' * 1000)) == 1000\n"
        "assert not {'numba', 'llvmlite', 'scipy', 're2'} & set(sys.modules)\n"
    )
    done = run({}, program)
    assert done.returncode == 0, done.stderr


def test_the_compiled_reader_takes_over_while_reading_goes_on() -> None:
    loader = Loader(worth=0.01)
    scanner = MetricScanner(CompiledDefinitions(LOSS, loader))
    line = b"noise loss=0.25; and so on\n"
    total = 0
    for _ in range(2000):
        total += len(scanner.feed(line * 10))
    assert loader.wait() is not None
    total += len(scanner.feed(line * 10))
    assert total == 20_010


def test_several_threads_scan_at_once() -> None:
    loader = Loader(10**18)
    loader.reader = Loader().wait()
    definitions = CompiledDefinitions(LOSS, loader)
    logs = [b"".join(b"step %d loss=%d.5;\n" % (i, i * k) for i in range(5000)) for k in range(4)]
    found: dict[int, list[tuple[int, float, int]]] = {}

    def scan(k: int) -> None:
        scanner = MetricScanner(definitions)
        found[k] = [
            match for i in range(0, len(logs[k]), 1000) for match in scanner.feed(logs[k][i : i + 1000])
        ]

    threads = [threading.Thread(target=scan, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(4):
        assert [value for _, value, _ in found[k]] == [i * k + 0.5 for i in range(5000)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that two processes filled at once."""
    directory = tmp_path_factory.mktemp("cache")
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(directory)}
    command = [sys.executable, "-c", READ]
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate(timeout=300) for process in processes] == [("compiled\n", "")] * 2
    return directory


def test_compiled_code_is_cached_and_found_again(cache: Path) -> None:
    files = {path: path.stat().st_mtime_ns for path in compiled_files(cache)}
    assert len(files) == 1
    again = run({"NUMBA_CACHE_DIR": str(cache)})
    assert (again.stdout, again.stderr) == ("compiled\n", "")
    assert {path: path.stat().st_mtime_ns for path in compiled_files(cache)} == files


@pytest.mark.slow
def test_a_damaged_cache_is_done_without(cache: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(cache, damaged)
    for path in [*compiled_files(damaged), *damaged.rglob("*.nbi")]:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    done = run({"NUMBA_CACHE_DIR": str(damaged)})
    assert done.stdout == "compiled\n", done.stderr
    assert "cannot be used" in done.stderr


def test_the_order_of_cache_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    closed = tmp_path / "a file"
    closed.write_text("")
    given, home = str(tmp_path / "given"), str(tmp_path / "home")
    no_home = str(closed / "home")

    def chosen(**environment: str) -> str | None:
        directory = cache_directory(environment, "sources")
        return None if directory is None else str(directory.parent)

    assert chosen(NUMBA_CACHE_DIR=given, HOME=home) == given
    assert chosen(HOME=home) == f"{home}/.cache/hpt"
    assert chosen(HOME=home, XDG_CACHE_HOME=given) == f"{given}/hpt"
    private = tmp_path / "tmp" / f"hpt-cache-{os.getuid()}"
    assert chosen(HOME=no_home) == str(private)
    assert private.stat().st_mode & 0o777 == 0o700
    assert chosen(NUMBA_CACHE_DIR=no_home, HOME=no_home) == str(private)
    private.chmod(0o777)  # anybody could leave code there
    assert chosen(HOME=no_home) is None
    shutil.rmtree(private)
    private.symlink_to(tmp_path / "given")
    assert chosen(HOME=no_home) is None


def test_a_cache_is_of_one_version_of_the_sources(tmp_path: Path) -> None:
    environment = {"NUMBA_CACHE_DIR": str(tmp_path)}
    assert cache_directory(environment, "one") != cache_directory(environment, "other")


@pytest.mark.slow
def test_a_read_only_installation_is_cached_in_the_users_home(installation: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    program = f"{READ}\nimport hpt; assert hpt.__file__.startswith({str(installation)!r}), hpt.__file__"
    for _ in range(2):
        done = run({"HOME": str(home)}, program, installation)
        assert (done.stdout, done.stderr) == ("compiled\n", "")
    assert len(compiled_files(home / ".cache" / "hpt")) == 1


@pytest.mark.slow
def test_with_a_read_only_home_the_cache_is_private_among_temporary_files(
    installation: Path, tmp_path: Path
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environment = {"HOME": read_only(tmp_path / "home"), "TMPDIR": str(temporary)}
    done = run(environment, READ, installation)
    assert (done.stdout, done.stderr) == ("compiled\n", "")
    assert len(compiled_files(temporary / f"hpt-cache-{os.getuid()}")) == 1


@pytest.mark.slow
def test_where_nothing_can_be_written_it_is_compiled_with_one_warning(
    installation: Path, tmp_path: Path
) -> None:
    closed = read_only(tmp_path / "closed")
    program = f"import tempfile; tempfile.tempdir = {closed!r}\n{READ}"
    done = run({"HOME": closed, "NUMBA_CACHE_DIR": closed}, program, installation)
    assert done.stdout == "compiled\n"
    assert done.stderr.count("compiled code cannot be cached") == 1


WITHOUT = {
    "compiling disabled": ({"NUMBA_DISABLE_JIT": "1"}, ""),
    "no Numba installed": ({}, "import sys; sys.modules.update(numba=None, llvmlite=None)\n"),
}


@pytest.mark.parametrize("way", WITHOUT)
def test_without_compiling_all_is_read_and_nothing_said(way: str, tmp_path: Path) -> None:
    """The reason is the user's choice, which is nothing to warn of."""
    environment, preparation = WITHOUT[way]
    done = run({"HOME": str(tmp_path), **environment}, preparation + READ)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "NUMBA_DISABLE_JIT" in done.stdout or "numba" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("way", WITHOUT)
def test_without_compiling_the_scanner_reads_all_the_same(way: str) -> None:
    """Over the worked examples and the property test."""
    environment, preparation = WITHOUT[way]
    tests = str(Path(__file__).parents[1] / "test_scanner.py")
    options = ["-q", "-p", "no:cacheprovider", "-k", "plain", tests]
    done = subprocess.run(
        [sys.executable, "-c", f"{preparation}import pytest, sys\nsys.exit(pytest.main({options!r}))"],
        env={**os.environ, **environment, "HPT_TEST_EXAMPLES": "100"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_with_compiling_disabled_a_long_log_is_read_by_re(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    loader = Loader(worth=0)
    assert MetricScanner(CompiledDefinitions(LOSS, loader)).feed(b"loss=1;\n") == [(0, 1.0, 8)]
    assert loader.wait() is None
    assert "NUMBA_DISABLE_JIT" in str(loader.failure)
