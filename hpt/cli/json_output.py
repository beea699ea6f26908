"""JSON as every command prints it: one document, strict, that any reader takes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from math import isfinite, isnan

_UNSAFE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]")
"""Characters that JSON allows in a string but a terminal or an encoding does not."""


def print_json(document: object) -> None:
    """Print a document to standard output; numbers that JSON does not have as strings."""
    print(to_json(document))


def to_json(document: object) -> str:
    r"""The document as strict JSON. NaN and infinity, which it does not have, are the strings "NaN",
    "Infinity" and "-Infinity", and control characters are written as \u escapes.

    >>> print(to_json({"loss": [float("nan"), 1.5]}).replace("\n", ""))
    {  "loss": [    "NaN",    1.5  ]}
    """
    string = json.dumps(strict(document), indent=2, ensure_ascii=False, allow_nan=False)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", string)


def strict(document: object) -> object:
    """JSON data without NaN and infinity, which become strings as `to_json` says."""
    if isinstance(document, float):
        if isfinite(document):
            return document
        return "NaN" if isnan(document) else "Infinity" if document > 0 else "-Infinity"
    if isinstance(document, Mapping):
        return {str(name): strict(value) for name, value in document.items()}
    if isinstance(document, list | tuple):
        return [strict(value) for value in document]
    return document
