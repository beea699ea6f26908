"""What the exit code of the `hpt` command says."""

from __future__ import annotations

COMPLETED, FAILED, BAD_INPUT, STOPPED, SURROUNDINGS, INTERRUPTED = 0, 1, 2, 3, 4, 130

DESCRIPTION = """\
exit codes:
  0    the job completed (or the command did what it was asked)
  1    the tuning job failed: no training job succeeded (check-metric: a definition read no value)
  2    bad input, or the job belongs to another living process; nothing was changed
  3    the tuning job was stopped for good
  4    the surroundings failed (disk full, permissions); fix them and `hpt resume`.
       Also where hpt is installed without what runs jobs: pip install 'hpt[jobs]'
  130  interrupted; `hpt resume` goes on
"""
