"""Beside the script: what is there only if the whole source was shipped."""

from __future__ import annotations


def loss(lr: float, epoch: int) -> float:
    return (lr - 0.3) ** 2 + 1 / (epoch + 1)
