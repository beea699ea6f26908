"""Reads single lines with `re`, where a pattern may take endlessly long in bounded time."""
