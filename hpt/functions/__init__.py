"""Tunes Python functions, each trial in a worker process."""
