"""Settings of every test."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("hpt", deadline=None)  # a busy machine is no failure
settings.load_profile("hpt")
