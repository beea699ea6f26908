"""The exit codes of the `hpt` command."""

from __future__ import annotations

COMPLETED, FAILED, BAD_INPUT, STOPPED, SURROUNDINGS, INTERRUPTED = 0, 1, 2, 3, 4, 130

DESCRIPTION = """\
exit codes:
  0    the job completed (or the command did what it was asked)
  1    no training job of the tuning job succeeded (train: it failed, or its objective was not read;
       check-metric: a definition read no value)
  2    bad input, or the job belongs to another living process; nothing was changed
  3    the job was stopped for good
  4    the environment failed (disk full, permissions); fix it and `hpt resume`.
       Also if hpt is installed without the part that runs jobs: pip install 'hpt[jobs]'
  130  interrupted; `hpt resume` goes on
"""
