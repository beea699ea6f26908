"""What a fleet has cost."""

from __future__ import annotations

import pytest

from hpt.fleet.ec2.costs import ON_DEMAND, Book, Machine, Pool, Prices

SPOT_POOL, HEAD_POOL = Pool("c5.xlarge", "a"), Pool("t3.small", "a", ON_DEMAND)
HOUR = 3600.0


def test_pools_are_compared_with_the_full_price_of_their_type() -> None:
    full, dear, other = Pool("c5.xlarge", "b", ON_DEMAND), Pool("c5.xlarge", "c"), Pool("m5.xlarge", "a")
    prices = Prices().with_sample(0.0, {SPOT_POOL: 0.05, full: 0.20, dear: 0.30, other: 0.10})
    prices = prices.with_sample(HOUR, {SPOT_POOL: 0.06})
    assert Book({}, prices).shares() == {SPOT_POOL: pytest.approx(0.3), full: 1.0, dear: 1.0}


def test_each_hour_has_its_price() -> None:
    prices = Prices().with_sample(0.0, {SPOT_POOL: 0.10}).with_sample(HOUR, {SPOT_POOL: 0.30})
    assert prices.over(SPOT_POOL, 0.0, 2 * HOUR) == pytest.approx(0.40)
    assert prices.over(SPOT_POOL, HOUR / 2, 1.5 * HOUR) == pytest.approx(0.05 + 0.15)
    assert prices.over(SPOT_POOL, -HOUR, 0.0) == pytest.approx(0.10)  # the first price holds before it
    assert prices.over(HEAD_POOL, 0.0, HOUR) is None
    assert prices.latest(SPOT_POOL) == 0.30
    assert prices.with_sample(2 * HOUR, {SPOT_POOL: 0.30}) == prices


def test_machines_that_are_gone_cost_until_they_went() -> None:
    head, node = Machine("i-h", HEAD_POOL, 0.0), Machine("i-n", SPOT_POOL, 0.0)
    prices = Prices().with_sample(0.0, {SPOT_POOL: 0.10, HEAD_POOL: 0.02})
    book = Book(prices=prices).seen([head, node], 0.0).seen([head], HOUR)
    cost = book.cost(2 * HOUR)
    assert cost.total == pytest.approx(0.04 + 0.10) and cost.per_hour == pytest.approx(0.02)
    assert book.seen([head], 9 * HOUR).machines["i-n"].ended == HOUR


def test_a_minute_is_billed_at_least_and_what_has_no_price_is_named() -> None:
    prices = Prices().with_sample(0.0, {SPOT_POOL: 0.60})
    short = Book({"i": Machine("i", SPOT_POOL, 0.0, 1.0)}, prices)
    assert short.cost(100.0).total == pytest.approx(0.01)
    unknown = Book({"i": Machine("i", HEAD_POOL, 0.0)}, prices)
    assert unknown.cost(HOUR).total == 0 and unknown.cost(HOUR).unpriced == (HEAD_POOL,)


def test_the_book_is_stored_and_read() -> None:
    book = Book(prices=Prices().with_sample(0.0, {SPOT_POOL: 0.10}).with_sample(9.0, {SPOT_POOL: 0.20}))
    book = book.seen([Machine("i-1", SPOT_POOL, 0.0), Machine("i-2", HEAD_POOL, 5.0)], 5.0)
    assert Book.from_json(book.to_json()) == book
