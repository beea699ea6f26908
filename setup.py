"""The two extension modules and nothing else; the rest of the metadata is in pyproject.toml.

Switches, read from the environment:
    HPT_DEBUG=1      no optimisation, assertions and debugging symbols on
    HPT_SANITIZE=1   address and undefined-behaviour checks (preload libasan to import the result)
    HPT_COVERAGE=1   gcov counters
"""

import os
import sys
from pathlib import Path

import pybind11
from Cython.Build import cythonize
from pybind11.setup_helpers import ParallelCompile, Pybind11Extension
from setuptools import Extension, setup


def switch(name: str) -> bool:
    return os.environ.get(name, "0") not in ("", "0")


# No -march=native: one binary runs everywhere. No -ffast-math: at link it makes the process flush subnormals.
# No contraction: which products and sums are rounded once is written in the source, not left to the compiler.
compile_args = ["-std=c++20", "-O3", "-g1", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off"]
compile_args += ["-fvisibility=hidden", "-Wall", "-Wextra"]
link_args: list[str] = []
if switch("HPT_DEBUG"):
    compile_args += ["-O0", "-g3", "-UNDEBUG", "-D_GLIBCXX_ASSERTIONS"]
if switch("HPT_SANITIZE"):
    flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer"]
    compile_args += ["-O1", *flags]
    link_args += flags
if switch("HPT_COVERAGE"):
    compile_args += ["-O0", "--coverage"]
    link_args += ["--coverage"]

headers = sorted(str(path) for folder in ("cpp/include/hpt", "src") for path in Path(folder).glob("*.hpp"))
sources = sorted(str(path) for folder in ("cpp/src", "src") for path in Path(folder).glob("*.cpp"))

blas = Extension(
    "hpt._blas",
    ["src/_blas.pyx"],
    language="c++",
    include_dirs=["cpp/include"],
    depends=headers,
    extra_compile_args=[arg for arg in compile_args if not arg.startswith("-W")],
    extra_link_args=link_args,
    libraries=["dl"],
)
core = Pybind11Extension(
    "hpt._core",
    sources,
    include_dirs=["cpp/include", "src"],
    depends=headers,
    extra_compile_args=compile_args,
    extra_link_args=link_args,
)

# Object files are kept apart by everything that is compiled into them.
switches = [name.lower() for name in ("HPT_DEBUG", "HPT_SANITIZE", "HPT_COVERAGE") if switch(name)]
flavour = "-".join([str(sys.implementation.cache_tag), f"pybind11_{pybind11.__version__}", *switches])
newest_header = max(Path(header).stat().st_mtime for header in headers)


def stale(obj: str, source: str) -> bool:
    """Whether an object file must be made again: its own source or any header is newer."""
    path = Path(obj)
    return not path.exists() or path.stat().st_mtime < max(newest_header, Path(source).stat().st_mtime)


ParallelCompile("HPT_BUILD_JOBS", default=0, needs_recompile=stale).install()
setup(
    ext_modules=[*cythonize([blas], language_level=3, build_dir="build/cython"), core],
    options={"build_ext": {"build_temp": f"build/temp-{flavour}"}},
)
