"""From a job and its state to the replies of Describe, List and the other operations."""
