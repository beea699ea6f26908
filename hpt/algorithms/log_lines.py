"""The lines in which SageMaker's own algorithms print their metrics and progress."""

from __future__ import annotations

_HOST = "host=algo-1"


def quality(channel: str, metric: str, value: float, *, score: bool, epoch: int | None = None) -> str:
    """The line that says the value of a metric.

    Parameters
    ----------
    channel
        Whose rows it is computed on.
    metric
        Its name in the log.
    value
        Its value.
    score
        Whether more is better: marked as a score, else as a loss.
    epoch
        The epoch it follows, None at the end of training.

    Examples
    --------
    >>> quality("test", "mse", 0.25, score=False, epoch=3)
    '#quality_metric: host=algo-1, epoch=3, test mse <loss>=0.25'
    """
    when = "" if epoch is None else f"epoch={epoch}, "
    return f"#quality_metric: {_HOST}, {when}{channel} {metric} <{'score' if score else 'loss'}>={value:.9g}"


def progress(done: int, total: int) -> str:
    return f"#progress_metric: {_HOST}, completed {100 * done / total:.4g} %"
