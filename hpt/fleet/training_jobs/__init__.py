"""Training jobs of SageMaker: how one is asked for, how it stands, and what it prints."""
