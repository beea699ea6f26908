"""Answers requests of SageMaker's tuning operations from a state directory, independent of the transport."""
