"""Loads botocore's description of the SageMaker API.

The file is read directly, which is faster than the import of botocore.
"""

from __future__ import annotations

import gzip
import json
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hpt.errors import DependencyError

VERSION = "2017-07-24"
CREATE_TUNING_JOB = "CreateHyperParameterTuningJobRequest"


@lru_cache(maxsize=1)
def load_shapes() -> dict[str, dict[str, Any]]:
    """Every shape of the installed botocore's SageMaker service model, by name. Do not change it.

    Raises:
        DependencyError: botocore or its data is not installed.
    """
    spec = find_spec("botocore")
    if spec is None or spec.origin is None:
        raise DependencyError("botocore is not installed; install boto3", library="boto3")
    folder = Path(spec.origin).parent / "data" / "sagemaker" / VERSION
    for name, read in (("service-2.json.gz", gzip.open), ("service-2.json", open)):
        path = folder / name
        if path.is_file():
            with read(path, "rb") as stream:
                shapes: dict[str, dict[str, Any]] = json.loads(stream.read())["shapes"]
            return shapes
    raise DependencyError(
        "the installed botocore has no SageMaker service model; upgrade boto3",
        library="boto3",
        path=str(folder),
    )
