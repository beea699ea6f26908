# make tune   set up an environment, build the C++ core, run the example job on real data, show the best model
# make test   add what tests need to the same environment and run them, the C++ ones too
# make test-slow     the longer tests: packaging and installation, fuzzing, statistics
# make test-faults   kills tuners, supervisors and whole process trees at every boundary
# make test-sanitized   the core's tests and fuzzed searches on a build with address and undefined-behaviour checks
# make test-integrations   the adapters for other frameworks, with the suites of these, in an environment of their own
# make test-fleet   training jobs on the nodes of a real Ray cluster, in an environment of their own
# make test-cluster   the part of them that kills nothing: a minute or two
# make lint   ruff, mypy, clang-format, and the core compiled with warnings as errors
# Variables: PYTHON (python3), VENV (.venv), HPT_HOME (where tuning jobs are kept), WORKERS (4: tests at once)

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 4
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SOURCES := pyproject.toml setup.py $(wildcard cpp/include/hpt/*.hpp cpp/src/*.cpp src/*)
export PIP_NO_INPUT := 1
# A test starts hundreds of processes; where this is set, each of them compiles every module again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: tune test test-slow test-integrations test-fleet test-cluster test-faults test-sanitized cpp-test lint bench prerequisites clean

tune: $(VENV)/.core
	$(BIN)/hpt tune examples/breast_cancer/job.json --again

PYTEST = $(BIN)/python -P -m pytest -n $(WORKERS) --dist loadfile

test: $(VENV)/.test cpp-test
	$(PYTEST) --ignore=tests/integrations

test-slow: $(VENV)/.test
	$(PYTEST) -m "slow and not faults"

# Frameworks pin what they need, so they get an environment of their own. Where pip is pointed to a build of torch without
# CUDA, the limit lets it be chosen. bayesmark and HEBO ask for releases of NumPy that are too old; their spaces work.
INTEGRATIONS ?= .venv-integrations
test-integrations: $(INTEGRATIONS)/.installed
	$(INTEGRATIONS)/bin/python -P -m pytest -n $(WORKERS) --dist loadfile tests/integrations

$(INTEGRATIONS)/.installed: $(SOURCES) | prerequisites
	$(PYTHON) -m venv $(INTEGRATIONS)
	$(INTEGRATIONS)/bin/python -m pip install --quiet --editable '.[integrations]' hypothesis pytest pytest-xdist 'torch<2.14'
	$(INTEGRATIONS)/bin/python -m pip install --quiet --no-deps bayesmark==0.0.8 HEBO==0.3.6 disjoint-set
	touch $@

# The nodes of a real Ray cluster on this machine: about twenty minutes; test-cluster, where nothing is killed, one or two.
FLEET ?= .venv-fleet
CLUSTER = $(FLEET)/bin/python -P -m pytest -m "slow or faults" --durations 10
test-fleet: $(FLEET)/.installed
	$(CLUSTER) tests/fleet tests/faults/test_ray.py tests/faults/test_ray_notices.py tests/faults/test_fleet.py

test-cluster: $(FLEET)/.installed
	$(CLUSTER) tests/fleet/test_ray_cluster.py

$(FLEET)/.installed: $(SOURCES) | prerequisites
	$(PYTHON) -m venv $(FLEET)
	$(FLEET)/bin/python -m pip install --quiet --editable '.[ray,test]'
	touch $@

# Every fault: the tuner, its supervisors and the whole tree killed at every boundary and at random moments.
test-faults: $(VENV)/.test
	$(BIN)/python -P -m pytest -n $(WORKERS) -m "faults or not faults" tests/faults

# Needs GCC. Python itself is not built so: the checks' runtime goes before it, and what it never frees is no leak.
SANITIZED := build/sanitized
RUNTIME = $$($${CXX:-c++} -print-file-name=libasan.so) $$($${CXX:-c++} -print-file-name=libstdc++.so)
CHECKED = cd $(SANITIZED) && LD_PRELOAD="$(RUNTIME)" ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
	PYTHONPATH=. $(abspath $(BIN)/python) -P
test-sanitized: $(VENV)/.test
	HPT_SANITIZE=1 $(MAKE) -C cpp -j "$$(nproc)" test
	rm -rf $(SANITIZED)
	HPT_SANITIZE=1 $(BIN)/python setup.py -q build --build-lib $(SANITIZED)
	cp -r pyproject.toml tests $(SANITIZED)
	$(CHECKED) -c 'from hpt import _core; assert "$(SANITIZED)" in _core.__file__, _core.__file__'
	$(CHECKED) -m pytest -n "$$(nproc)" --dist loadfile tests/search/core tests/search/strategies tests/search/test_tuner.py tests/search/test_space.py
	$(CHECKED) -m tests.search.strategies.fuzz_spaces --spaces 200

cpp-test: $(VENV)/.core
	$(MAKE) -C cpp -j "$$(nproc)" test PYTHON=$(abspath $(BIN)/python)

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict hpt
	$(BIN)/clang-format --dry-run --Werror $(wildcard cpp/include/hpt/*.hpp cpp/src/*.cpp cpp/tests/test_*.cpp src/*.hpp src/*.cpp)
	$(MAKE) -C cpp -j "$$(nproc)" lint

bench: $(VENV)/.test
	for bench in benchmarks/bench_*.py; do $(BIN)/python -P $$bench || exit 1; done

$(VENV)/bin/python: | prerequisites
	$(PYTHON) -m venv $(VENV)

# An editable install: Python changes need no reinstall, C++ changes rebuild on the next make.
$(VENV)/.core: $(SOURCES) | $(VENV)/bin/python
	@echo "installing what hpt needs and building its C++ core: about two minutes, in which nothing is printed"
	$(PIP) install --quiet --editable '.[xgboost]'
	touch $@

$(VENV)/.test: $(VENV)/.core
	$(PIP) install --quiet --editable '.[xgboost,test]'
	touch $@

$(VENV)/.lint: $(VENV)/.core
	$(PIP) install --quiet --editable '.[xgboost,test,lint]'
	touch $@

# Names what is missing in one line, with the package to install.
prerequisites:
	@command -v $(PYTHON) >/dev/null || { echo "missing: $(PYTHON); install Python 3.11 or later (Debian: python3)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "missing: Python 3.11 or later; $(PYTHON) is `$(PYTHON) -V 2>&1`; set PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "missing: the venv module; install it (Debian: python3-venv)"; exit 1; }
	@$(PYTHON) -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' || { echo "missing: Python.h; install Python's headers (Debian: python3-dev)"; exit 1; }
	@printf '#include <concepts>\n#include <span>\nint main() { return 0; }\n' | $${CXX:-c++} -std=c++20 -x c++ - -o /dev/null 2>/dev/null || { echo "missing: a C++20 compiler; install GCC 11, Clang 14 or later (Debian: g++) or set CXX"; exit 1; }

clean:
	rm -rf build dist *.egg-info $(VENV)
	find hpt -name '*.so' -delete
