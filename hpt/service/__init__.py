"""Answers the requests of SageMaker's tuning operations from a state directory, whoever carries them here."""
