"""A Kubernetes manifest in the place of a job file."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpt.errors import ValidationError
from hpt.sagemaker.request.job_file import load_job_file
from hpt.sagemaker.request.parse import read_request

MANIFEST = """
apiVersion: {version}
kind: {kind}
metadata:
  name: tuning
spec:
  hyperParameterTuningJobName: tuning
  hyperParameterTuningJobConfig:
    strategy: Bayesian
"""


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("version", ["sagemaker.services.k8s.aws/v1alpha1", "sagemaker.aws.amazon.com/v1"])
def test_one_of_a_tuning_job_says_what_to_do(tmp_path: Path, version: str, strict: bool) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(MANIFEST.format(version=version, kind="HyperParameterTuningJob"))
    request, base = load_job_file(file)
    with pytest.raises(ValidationError) as caught:
        read_request(request, base_dir=base, strict=strict)
    [violation] = caught.value.violations
    assert violation.path == "kind"
    assert violation.message.startswith("this is a Kubernetes manifest of a tuning job")
    assert "write the members of spec at the top level" in violation.message


def test_one_of_something_else(tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(MANIFEST.format(version="v1", kind="Pod"))
    with pytest.raises(ValidationError, match="of kind 'Pod', which is no tuning job"):
        read_request(load_job_file(file)[0])


def test_a_request_with_a_wrong_member_is_none() -> None:
    with pytest.raises(ValidationError, match="kind: is not a member"):
        read_request({"kind": "HyperParameterTuningJob", "HyperParameterTuningJobName": "a"})
