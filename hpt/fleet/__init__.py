"""Training jobs on other machines, each of which runs parts of `hpt.executors`: clusters and services."""
