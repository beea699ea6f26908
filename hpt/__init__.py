"""Automatic model tuning that runs anywhere."""
