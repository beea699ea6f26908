"""What a file of requirements names, read without pip."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpt.host.requirements import RequirementsError, find, read


@pytest.mark.parametrize(
    ("line", "local"),
    [
        ("numpy==1.0", None),
        ("torch[extra]>=2 ; python_version > '3.8'  # why", None),
        ("git+https://example.com/a.git#egg=a", None),
        ("https://example.com/a-1-py3-none-any.whl", None),
        ("-e git+ssh://example.com/a", None),
        ("--find-links wheels", None),
        ("./lib", "lib"),
        ("-e ./lib", "lib"),
        ("--editable=lib", "lib"),
        ("./lib[extra]", "lib"),
        ("wheels/a-1-py3-none-any.whl", "wheels/a-1-py3-none-any.whl"),
        ("a @ file:///srv/a", "/srv/a"),
        ("/srv/a.tar.gz", "/srv/a.tar.gz"),
    ],
)
def test_what_is_installed_from_a_disk(tmp_path: Path, line: str, local: str | None) -> None:
    (tmp_path / "requirements.txt").write_text(f"{line}\n")
    expected = [] if local is None else [str(tmp_path / local)]
    assert read(str(tmp_path), "requirements.txt")[1] == expected


def test_included_files_are_read_once_and_start_at_the_file_that_includes_them(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "requirements.txt").write_text(
        "-r deep/more.txt\n-c \\\n deep/limits.txt\n--requirement=deep/more.txt"
    )
    (tmp_path / "deep" / "more.txt").write_text("-rlimits.txt\n-r ../requirements.txt\n")
    (tmp_path / "deep" / "limits.txt").write_text("a<2\n-r https://example.com/more.txt\n")
    files, _ = read(str(tmp_path), "requirements.txt")
    assert [name for name, _ in files] == ["requirements.txt", "deep/more.txt", "deep/limits.txt"]


def test_what_a_source_asks_for(tmp_path: Path) -> None:
    assert find(str(tmp_path)) is None
    (tmp_path / "environment.yaml").write_text("")
    assert find(str(tmp_path)) == "environment.yaml"
    (tmp_path / "requirements.txt").mkdir()
    assert find(str(tmp_path)) == "requirements.txt"
    with pytest.raises(RequirementsError, match=r"requirements\.txt is no file"):
        read(str(tmp_path), "requirements.txt")
