"""From a job and its state to what Describe, List and the others answer."""
