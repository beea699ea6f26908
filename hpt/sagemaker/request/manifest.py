"""Kubernetes manifests of tuning jobs, which hold the request in another spelling."""

from __future__ import annotations

from collections.abc import Mapping

from hpt.errors import ValidationError, Violation
from hpt.sagemaker.request.shapes import CODE, show


def refuse_manifest(given: object) -> None:
    """Say what to do with a manifest in place of one violation for each of its members.

    Raises:
        ValidationError: it is a manifest, of whatever controller.
    """
    if not (isinstance(given, Mapping) and "kind" in given and ("spec" in given or "apiVersion" in given)):
        return
    kind = given["kind"]
    if kind == "HyperParameterTuningJob":
        message = (
            "this is a Kubernetes manifest of a tuning job, whose spec is the request in another spelling; "
            "write the members of spec at the top level, each with a capital first letter (Strategy for "
            "strategy), StaticHyperParameters as an object of names and values, and leave out apiVersion, "
            "kind, metadata and region"
        )
    else:
        message = (
            f"this is a Kubernetes manifest of kind {show(kind)}, which is no tuning job; give a job file "
            "with HyperParameterTuningJobName, HyperParameterTuningJobConfig and TrainingJobDefinition"
        )
    raise ValidationError([Violation(CODE, "kind", "shape", message)])
