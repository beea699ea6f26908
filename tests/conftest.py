"""Settings of every test."""

from __future__ import annotations

from hypothesis import settings

from tests.s3_server import endpoint, s3

__all__ = ["endpoint", "s3"]

settings.register_profile("hpt", deadline=None)  # a busy machine is no failure
settings.load_profile("hpt")
