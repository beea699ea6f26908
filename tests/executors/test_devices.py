"""Which GPUs a tuner may give away."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpt.executors.devices import find_gpus

# What `nvidia-smi -L` prints on a machine with three GPUs of which the second is split.
LISTING = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-9f1e8bb1-0d4b-4c5e-8a11-6c9df6f0a1c2)
  MIG 3g.20gb     Device  0: (UUID: MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f)
  MIG 3g.20gb     Device  1: (UUID: MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb)
GPU 2: NVIDIA A100-SXM4-40GB (UUID: GPU-1852b4d5-6c53-4d17-a1f8-8a5d3f0f5b10)
"""
WHOLE = [line.partition("UUID: ")[2].rstrip(")") for line in LISTING.splitlines() if "GPU-" in line]
PARTS = [line.partition("UUID: ")[2].rstrip(")") for line in LISTING.splitlines() if "MIG-" in line]


@pytest.fixture
def smi(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine whose `nvidia-smi` prints the listing."""
    command = tmp_path / "bin" / "nvidia-smi"
    command.parent.mkdir()
    command.write_text(f"#!/bin/sh\n[ \"$1\" = -L ] && /bin/cat <<'END'\n{LISTING}END\n")
    command.chmod(0o755)
    return {"PATH": str(command.parent)}


@pytest.mark.parametrize(
    ("listed", "names"),
    [
        ("0,1,2,3", ("0", "1", "2", "3")),
        (" 1 , 0 ", ("1", "0")),
        ("GPU-1,MIG-2", ("GPU-1", "MIG-2")),
        ("0,-1,2", ("0",)),
        ("0,,2", ("0",)),
        ("0,0,1", ("0", "1")),
        ("", ()),
        ("-1", ()),
        ("NoDevFiles", ()),
    ],
)
def test_a_list_of_the_users_own_is_taken_as_programs_take_it(
    listed: str, names: tuple[str, ...], tmp_path: Path
) -> None:
    found = find_gpus({"CUDA_VISIBLE_DEVICES": listed, "PATH": str(tmp_path)}, root=str(tmp_path))
    assert (found.variable, found.names) == ("CUDA_VISIBLE_DEVICES", names)
    assert len(found.devices) == len(names)
    assert found.origin == "CUDA_VISIBLE_DEVICES"


def test_without_a_list_the_driver_is_asked(smi: dict[str, str], tmp_path: Path) -> None:
    found = find_gpus(smi, root=str(tmp_path))
    assert found.names == (WHOLE[0], *PARTS, WHOLE[2])
    assert found.devices == tuple(f"gpu-{name}" for name in found.names)


def test_a_number_and_an_identifier_of_one_gpu_are_one_device(smi: dict[str, str], tmp_path: Path) -> None:
    by_number = find_gpus({**smi, "CUDA_VISIBLE_DEVICES": "3,0"}, root=str(tmp_path))
    by_name = find_gpus({**smi, "CUDA_VISIBLE_DEVICES": f"{WHOLE[2]},{WHOLE[0]}"}, root=str(tmp_path))
    assert by_number.names == ("3", "0")
    assert by_number.devices == by_name.devices
    beyond = find_gpus({**smi, "CUDA_VISIBLE_DEVICES": "0,9"}, root=str(tmp_path))
    assert beyond.names == ("0",)  # programs see none where there is none


def test_without_the_command_the_files_of_the_driver_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "proc/driver/nvidia/gpus"
    for bus, content in (
        ("0000:01:00.0", "Model: \t\t A\nGPU UUID: \t GPU-aaaa-1\n"),
        ("0000:02:00.0", "Model: \t\t A\nGPU UUID: \t GPU-????????\n"),
    ):
        (folder / bus).mkdir(parents=True)
        (folder / bus / "information").write_text(content)
    found = find_gpus({"PATH": str(tmp_path)}, root=str(tmp_path))
    assert found.names == ("GPU-aaaa-1", "1")


def test_a_command_that_fails_is_no_gpu(tmp_path: Path) -> None:
    command = tmp_path / "nvidia-smi"
    command.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed because it could not communicate'; exit 9\n")
    command.chmod(0o755)
    assert find_gpus({"PATH": str(tmp_path)}, root=str(tmp_path)).names == ()


def test_gpus_of_amd(tmp_path: Path) -> None:
    nodes = tmp_path / "sys/class/kfd/kfd/topology/nodes"
    for number, content in enumerate(["0\n", "41331\n", "0\n", "52177\n"]):
        (nodes / str(number)).mkdir(parents=True)
        (nodes / str(number) / "gpu_id").write_text(content)
    none = {"PATH": str(tmp_path)}
    found = find_gpus(none, root=str(tmp_path))
    assert (found.variable, found.names) == ("ROCR_VISIBLE_DEVICES", ("0", "1"))
    assert found.devices == ("amd-41331", "amd-52177")
    one = find_gpus({**none, "ROCR_VISIBLE_DEVICES": "1"}, root=str(tmp_path))
    assert (one.names, one.devices) == (("1",), ("amd-52177",))
    relative = find_gpus(
        {**none, "ROCR_VISIBLE_DEVICES": "1", "HIP_VISIBLE_DEVICES": "0"}, root=str(tmp_path)
    )
    assert (relative.variable, relative.names) == ("HIP_VISIBLE_DEVICES", ("0",))
    assert relative.devices == ("amd-52177",)
