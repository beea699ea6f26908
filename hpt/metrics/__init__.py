"""Metrics read from the logs of training programs."""
