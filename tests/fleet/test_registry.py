"""Every executor is made by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpt.errors import InputError
from hpt.executors.local import LocalExecutor
from hpt.fleet import registry
from hpt.fleet.setting import Setting


def setting(tmp_path: Path, **options: str) -> Setting:
    return Setting(tmp_path / "trials", True, None, lambda message: None, options)


def test_those_of_this_host_are_among_them(tmp_path: Path) -> None:
    assert isinstance(registry.make_executor("fresh", setting(tmp_path)), LocalExecutor)


def test_an_unknown_one_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"executor 'slurm' is not known; use one of local, fresh"):
        registry.make_executor("slurm", setting(tmp_path))


def test_an_option_that_it_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"executor 'local' has no option 'address'; it has none"):
        registry.make_executor("local", setting(tmp_path, address="auto"))
