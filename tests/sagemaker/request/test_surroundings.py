"""What this machine lacks is said before anything starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hpt.errors import ValidationError
from hpt.sagemaker.request import surroundings
from hpt.sagemaker.request.parse import parse_request


def test_a_built_in_whose_library_is_missing_is_refused_with_what_it_comes_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(surroundings, "find_spec", lambda name: None)
    job = Path(__file__).parents[3] / "examples" / "breast_cancer" / "job.json"
    with pytest.raises(ValidationError, match=r"it comes with hpt\[xgboost\]") as raised:
        parse_request(json.loads(job.read_text()), base_dir=job.parent)
    assert raised.value.violations[0].facts == {"extra": "xgboost"}
