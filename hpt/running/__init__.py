"""Runs tuning jobs: the runner, the session over a state directory, the simulation."""
