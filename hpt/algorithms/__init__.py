"""Training programs that come with `hpt`, each a process of its own (`python -m hpt.algorithms.NAME`).

`hpt.job.catalog` holds what a job needs to know of them.
"""
