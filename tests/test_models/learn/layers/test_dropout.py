"""Dropout of random bits: as many units as asked for, each by itself, repeatable."""

from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch import nn

from models.learn.layers.dropout import BitDropout


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3, 0.5, 0.9])
def test_dropout_when_it_trains_then_that_share_is_left_out_and_the_mean_stays(
    share: float,
) -> None:
    torch.manual_seed(3)
    y = BitDropout(share)(torch.ones(500, 2000))
    left_out = int((y == 0).sum())
    assert stats.binomtest(left_out, y.numel(), share).pvalue > 1e-3
    assert y.unique().tolist() == pytest.approx([0.0, 1 / (1 - share)], rel=1e-3)
    assert stats.binomtest(left_out, y.numel(), 1.05 * share).pvalue < 1e-3  # would be seen


def test_dropout_when_units_are_neighbours_then_one_says_nothing_of_the_other() -> None:
    torch.manual_seed(4)
    out = (BitDropout(0.5)(torch.ones(1_000_000)) == 0).double() - 0.5
    for apart in range(1, 9):  # four units share the bits of one draw
        together = 4 * float((out[:-apart] * out[apart:]).mean())
        assert abs(together) < 4.5 / 1000  # standard error 1 / 1000


def test_dropout_when_it_is_repeated_then_the_seed_decides() -> None:
    x, layer = torch.randn(7, 5, 3), BitDropout(0.5)
    torch.manual_seed(5)
    first, second = layer(x), layer(x)
    torch.manual_seed(5)
    assert torch.equal(layer(x), first)
    assert not torch.equal(first, second)


def test_dropout_when_rows_lie_otherwise_in_memory_then_each_is_scaled_in_its_place() -> None:
    x = torch.arange(1.0, 106.0).reshape(5, 7, 3).transpose(0, 1).requires_grad_()
    y = BitDropout(0.5)(x)
    assert bool(((y == 0) | (y == 2 * x)).all())
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, y.detach() / x.detach())


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_dropout_when_it_does_not_train_then_nothing_is_left_out(share: float) -> None:
    x = torch.randn(4, 3)
    assert torch.equal(BitDropout(share).eval()(x), x)
    assert torch.equal(BitDropout(1.0)(x), nn.Dropout(1.0)(x))
    assert torch.equal(BitDropout(0.0)(x), x)
