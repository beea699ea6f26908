"""Environments that come as an archive: what is refused, and a machine that really runs from one."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
from collections.abc import Iterable
from pathlib import Path

import pytest

from hpt.errors import InputError
from hpt.fleet.ec2 import setup, wheel
from hpt.fleet.ec2.aws import Aws
from hpt.fleet.ec2.config import load_fleet_file, read_fleet
from hpt.fleet.ec2.environment import look, needed
from hpt.fleet.ec2.store import Store
from hpt.fleet.ec2.template import user_data
from tests.cli.test_cli import Command
from tests.fleet.double.control import Control
from tests.fleet.ec2.test_config import LEAST, changed
from tests.fleet.ec2.test_story import Fleet, eventually

ELF = b"\x7fELF" + bytes(14) + b"\x3e\0"
HERE = f"python3.{sys.version_info[1]}"
SITE = f"lib/{HERE}/site-packages"

Entry = str | tuple[str, str] | tuple[str, bytes]


def pack(path: Path, entries: Iterable[Entry], mode: str = "w:gz") -> Path:
    """An archive of members: a name, one with its content, or `name -> target` and `name => target`."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for entry in entries:
            name, content = (entry, b"") if isinstance(entry, str) else entry
            member = tarfile.TarInfo(name)
            for arrow, kind in ((" -> ", tarfile.SYMTYPE), (" => ", tarfile.LNKTYPE)):
                if arrow in name:
                    member.name, member.linkname = name.split(arrow)
                    member.type = kind
            if isinstance(content, str):
                member.type = content.encode()
                content = b""
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def whole(folder: str = "") -> list[Entry]:
    """What a conda environment holds, as far as it matters."""
    packages = [f"{folder}{SITE}/{name}-1.0.dist-info/METADATA" for name in ("boto3", "PyYAML", "ray")]
    python = [
        (f"{folder}bin/{HERE}", ELF),
        f"{folder}bin/python -> {HERE}",
        f"{folder}lib/python3.1 -> {HERE}",
    ]
    return [*python, *packages]


@pytest.mark.parametrize("folder", ["", "./", "env/", "./my env/"])
@pytest.mark.parametrize("mode", ["w:gz", "w"])
def test_what_is_found_of_an_archive(tmp_path: Path, folder: str, mode: str) -> None:
    found = look(pack(tmp_path / "env", whole(folder), mode), {"boto3", "pyyaml"}, "x86_64")
    assert (found.folder, found.python) == (folder.strip("./"), HERE)
    assert not found.note and found.key.endswith(found.sha256)


def test_a_virtual_environment_needs_the_interpreter_that_it_leads_to(tmp_path: Path) -> None:
    links = ["bin/python -> python3", "bin/python3 -> /usr/bin/python3.11", "lib64 -> lib"]
    found = look(pack(tmp_path / "env", [*links, f"{SITE}/boto3-1.dist-info/x"]), {"boto3"}, "x86_64")
    assert "is a link to /usr/bin/python3.11: every machine of the fleet must have that" in found.note
    settings = ("pyvenv.cfg", b"home = /usr/bin\ninclude-system-site-packages = true\n")
    look(pack(tmp_path / "env", [settings, *links, f"{SITE}/x"]), {"boto3"}, "x86_64")


def test_what_hpt_needs_there() -> None:
    assert needed("jobs", "ray") - needed("jobs") == {"ray"}
    assert needed("jobs") >= {"numpy", "boto3", "pyyaml"} and "optuna" not in needed("jobs", "ray")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (["/etc/passwd", *whole()], r"its member '/etc/passwd' leads out of it; pack it again"),
        (["lib/../../x", *whole()], "leads out of it"),
        (["lib/a -> ../../x", *whole()], r"its member 'lib/a' is a link to '../../x', out of it"),
        (["lib/a => ../x", *whole()], "out of it"),
        (["lib/a => /etc/passwd", *whole()], "out of it"),
        (["lib/a -> /etc", "lib/a/passwd", *whole()], "lib/a is a link to /etc, which is not in it"),
        ([("dev/null", "3"), *whole()], "is no file, folder or link; remove it"),
        (["readme.txt"], "has no bin/python, at its top or in one folder there"),
        ([*whole("a/"), *whole("b/")], "has more than one bin/python"),
        (["bin/python -> python3", f"{SITE}/x"], "as a link to bin/python3, which is not in it"),
        (["bin/python -> python3", "bin/python3 -> python", f"{SITE}/x"], "leads nowhere"),
        ([("bin/python", b"#!/bin/sh\n"), f"{SITE}/x"], "is no program of Linux"),
        (
            [("bin/python", ELF[:-2] + b"\xb7\0"), f"{SITE}/x"],
            "is for aarch64, and the machines of the fleet are",
        ),
        ([("bin/python", ELF)], "has no lib/python3.N/site-packages"),
        ([*whole(), "lib/python3.2/site-packages/x"], f"has lib/{HERE} and lib/python3.2"),
        (whole(), "lacks cloudpickle, numba, which hpt needs on the machines; install it there"),
    ],
)
def test_what_machines_cannot_run_from_is_refused(tmp_path: Path, entries: list[Entry], message: str) -> None:
    path = pack(tmp_path / "env.tar.gz", entries)
    with pytest.raises(InputError, match=message):
        look(path, {"boto3", "numba", "cloudpickle"}, "x86_64")


def test_files_that_are_no_archives(tmp_path: Path) -> None:
    path = pack(tmp_path / "env.tar.gz", whole())
    content = pack(tmp_path / "plain", [*whole(), ("lib/data", os.urandom(50_000))], "w:gz").read_bytes()
    for data, message in (
        (content[:30_000], "is no tar archive, or is damaged"),
        (content[:40_000] + bytes(100) + content[40_100:], "is no tar archive, or is damaged"),
        (b"", "is no tar archive"),
        (b"x" * 10_000, "is no tar archive"),
        (b"PK\x03\x04" + bytes(100), "is packed with zip; pack it as .tar.gz"),
        (b"\xfd7zXZ\0" + bytes(100), "is packed with xz"),
    ):
        path.write_bytes(data)
        with pytest.raises(InputError, match=message):
            look(path, set(), "x86_64")
    with pytest.raises(InputError, match=r"is a folder; pack it: conda-pack -p"):
        look(tmp_path, set(), "x86_64")
    with pytest.raises(InputError, match="does not exist; correct the path"):
        look(tmp_path / "none", set(), "x86_64")


def test_a_fleet_file_names_it_relative_to_itself(tmp_path: Path) -> None:
    text = 'name = "a"\nbucket = "s3://bucket"\nregion = "us-east-1"\nslots = 1\n'
    text += '{}[nodes]\ninstance_types = ["c5.large"]\n'
    file = tmp_path / "fleet.toml"
    file.write_text(text.format('environment = "env.tar.gz"\n'))
    assert load_fleet_file(file).environment == str(tmp_path / "env.tar.gz")
    with pytest.raises(InputError, match=r"environment: .*env.tar.gz does not exist"):
        setup.packed_environment(load_fleet_file(file))
    file.write_text(text.format('environment = "s3://bucket/env"\n'))
    with pytest.raises(InputError, match=r"environment: .* is on S3; write the path of a file here"):
        load_fleet_file(file)


# -- a machine that runs from one -------------------------------------------------------------------------

AWS = f"""#!{sys.executable}
import sys, boto3
assert sys.argv[1:3] == ["s3", "cp"], sys.argv
bucket, _, key = sys.argv[3].removeprefix("s3://").partition("/")
target = sys.argv[4] + (key.rpartition("/")[2] if sys.argv[4].endswith("/") else "")
boto3.client("s3").download_file(bucket, key, target)
"""
"""Stands in for AWS's command: the calls reach the double."""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment that finds the packages of this one, packed in a folder."""
    place = tmp_path_factory.mktemp("packed")
    venv.EnvBuilder(symlinks=True, system_site_packages=True).create(place / "my env")
    site = place / "my env" / SITE
    paths = [each for each in sys.path if each.endswith("-packages")]
    (site / "here.pth").write_text("\n".join([*paths, sysconfig.get_path("purelib")]))
    (site / "hpt").mkdir()  # an older one, which the fleet's takes the place of
    (site / "hpt" / "__init__.py").write_text("raise ImportError('the older hpt')\n")
    with tarfile.open(place / "env.tar.gz", "w:gz", compresslevel=1) as packed:
        packed.add(place / "my env", "my env")
    return place / "env.tar.gz"


def boot(text: str, place: Path) -> subprocess.CompletedProcess[str]:
    """Run what of a machine's script prepares the interpreter, with /opt/hpt in another place."""
    place.parent.mkdir()
    part = text[text.index("HPT_FLEET=") : text.index("# A secret that machines show")]
    part = part.replace("install -d -m 755 /opt/hpt /var/lib/hpt /run/hpt", "").replace(
        "/opt/hpt", str(place)
    )
    programs = place.with_name("programs")
    for folder in (place, programs):
        folder.mkdir(exist_ok=True)
    (programs / "aws").write_text(AWS)
    (programs / "aws").chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}:/usr/bin:/bin"}
    command = ["bash", "-euo", "pipefail", "-c", part]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_machine_unpacks_it_and_runs_the_fleets_hpt_from_it(
    double: Control, archive: Path, tmp_path: Path
) -> None:
    """Uploaded once, for both kinds of machines; what is there of hpt is replaced by the fleet's."""
    config = read_fleet({**changed(region="us-east-1"), "environment": str(archive)})
    aws, said = Aws("us-east-1", attempts=1), list[str]()
    packed_wheel = wheel.pack(tmp_path)
    for _ in range(2):
        setup.up(aws, config, said.append, now=1.8e9, packed=packed_wheel)
    assert [word for word in said if "uploading" in word] == ["uploading env.tar.gz, 1 MiB"]
    assert any("every machine of the fleet must have that" in word for word in said)
    assert any("runs already, with the packages that it began with" in word for word in said)
    files = Store(aws, config.bucket, config.prefix)
    [key] = list(files.keys("hpt/"))
    packed = setup.packed_environment(config)
    assert packed is not None and files.has(packed.key) and packed.folder == "my env"
    for role in ("head", "node"):
        place = tmp_path / role / "opt"
        done = boot(user_data(role, config, key, packed), place)
        assert done.returncode == 0, done.stderr
        code = "import hpt, sys; print(sys.prefix, hpt.__file__)"
        said = subprocess.run(
            [place / "venv" / "bin" / "python", "-P", "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
        assert said == [str(place / "venv"), str(place / "venv" / SITE / "hpt" / "__init__.py")]
        assert not (place / "environment.tar").exists()
    files.put(packed.key, b"damaged")
    place = tmp_path / "third" / "opt"
    done = boot(user_data("node", config, key, packed), place)
    assert done.returncode != 0 and "did NOT match" in done.stderr


def test_one_of_another_python_is_refused_before_anything_is_made(double: Control, tmp_path: Path) -> None:
    other = f"python3.{sys.version_info[1] + 1}"
    names = [name.replace("-", "_") for name in needed("jobs", "ray")]
    site = f"lib/{other}/site-packages"
    entries = [("bin/python", ELF), *(f"{site}/{name}-1.dist-info/METADATA" for name in names)]
    path = pack(tmp_path / "env.tar.gz", entries)
    config = read_fleet({**LEAST, "region": "us-east-1", "environment": str(path)})
    aws = Aws("us-east-1", attempts=1)
    with pytest.raises(
        InputError, match=f"is for {HERE}, and the environment has {other}; pack one of {HERE}"
    ):
        setup.up(aws, config, print, now=1.8e9)
    assert not list(Store(aws, config.bucket, config.prefix).keys())


PROGRAM = """
import os, sys
with open(os.environ["RUNS"], "a") as file:
    print(sys.prefix, file=file)
print("loss=0.5;")
"""


@pytest.mark.slow
def test_a_job_of_a_fleet_runs_from_it(double: Control, archive: Path, tmp_path: Path) -> None:
    """As a user types it. The head is a process that its own script's interpreter runs."""
    fleet = Fleet(double, Command(tmp_path))
    fleet.file.write_text(f"environment = '{archive}'\n{fleet.file.read_text()}")
    assert (
        f"environment env.tar.gz: {HERE}, 1 MiB, in its folder my env"
        in fleet.hpt("fleet", "check", str(fleet.file))[0]
    )
    fleet.up()
    versions = fleet.files._aws.ec2.describe_launch_template_versions(LaunchTemplateName="hpt-search-head")
    data = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]["UserData"]
    place = tmp_path / "machine" / "opt"
    done = boot(base64.b64decode(data).decode(), place)
    assert done.returncode == 0, done.stderr
    job = fleet.hpt.job()
    (tmp_path / "counted.py").write_text(PROGRAM)
    fleet.hpt("tune", str(job), "--fleet", "search")
    fleet.interpreter = str(place / "venv" / "bin" / "python")
    fleet.start_head()
    try:
        eventually(lambda: fleet.jobs() == {"job": "Completed"})
    finally:
        fleet.close()
    assert fleet.hpt.runs.read_text() == f"{place / 'venv'}\n" * 4
