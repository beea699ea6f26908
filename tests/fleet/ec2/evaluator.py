"""Evaluates IAM policy documents of the kind that a fleet prints: only what they say, slowly and plainly."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

OPERATORS = {
    "StringEquals": lambda wanted, given: given == wanted,
    "StringLike": lambda wanted, given: fnmatchcase(given, wanted),
    "ArnEquals": lambda wanted, given: given == wanted,
}


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def allows(
    document: Mapping[str, Any], action: str, resource: str, context: Mapping[str, str] | None = None
) -> bool:
    """Whether a document allows an action on a resource, with these keys in the context of the request."""
    context = context or {}
    for statement in document["Statement"]:
        assert statement["Effect"] == "Allow"
        if not any(fnmatchcase(action.lower(), each.lower()) for each in _listed(statement["Action"])):
            continue
        if not any(fnmatchcase(resource, each) for each in _listed(statement["Resource"])):
            continue
        conditions = [
            any(OPERATORS[operator](each, context.get(key, "")) for each in _listed(values))
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        ]
        if all(conditions):
            return True
    return False


def actions(document: Mapping[str, Any]) -> set[str]:
    return {action for statement in document["Statement"] for action in _listed(statement["Action"])}
