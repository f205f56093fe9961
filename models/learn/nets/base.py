"""What every network file provides: its spec, how it carries its past, and the shell around it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.base.columns import INDICATORS, feature_name
from models.base.heads import HeadLayout
from models.base.spec import ModelSpec

MUTED_ABOVE = 1e29  # a standard deviation beyond it is of a column that never moved
FEATURE_CLIP = 8.0  # standard deviations; one mad candle must not own a gradient


def no_indicator(column: str) -> bool:
    """Return whether a feature column is none of `models.data.features.indicators`.

    Examples
    --------
    >>> no_indicator("%-adx_14_gen_BTC/USDTUSDT_1h"), no_indicator("%-rsi_14")
    (False, True)
    """
    return feature_name(column) not in INDICATORS


@dataclass(frozen=True, kw_only=True)
class NetworkSpec(ModelSpec):
    """An architecture that is one torch module, trained by the one loop.

    Attributes
    ----------
    build
        (n_features, n_outputs, config) -> causal module, x (B, T, F) -> y (B, T, H).
    receptive_field
        config -> candles that can influence one output, or None where the state is unbounded.
        It must fit the first of `contexts`; where it is None, the smallest that passes the parity
        check is served.
    reads
        Feature column -> whether the network is given it. By default all but the classic
        indicators, which are there for the trees.
    carries_past
        Whether the module takes a `Past` beside x, so that it can be served candle by candle
        from what it remembers. Otherwise every forecast runs the whole context.
    """

    build: Callable[[int, int, Any], nn.Module]
    receptive_field: Callable[[Any], int | None]
    reads: Callable[[str], bool] = no_indicator
    carries_past: bool = False
    learns_from_others: bool = True
    cross_fits: bool = True

    family: ClassVar[str] = "network"

    def candles_read(self, config: Any) -> int | None:
        return self.receptive_field(config)


class Past:
    """What the layers of a network know of the rows before the ones they are given.

    Each layer that looks back takes its part and leaves the one for the rows that follow; layers
    ask in the same order every time. All parts are batch first and their other sizes never change.
    Without parts the past is zeros: the beginning of a sequence. In training only the `asked` last
    rows of a sequence count; a network may answer them alone, and spare itself the others.

    Examples
    --------
    >>> rows = torch.arange(5.0).reshape(1, 5, 1)
    >>> first = Past()
    >>> first.behind(rows[:, :3], 2, dim=1).flatten().tolist()
    [0.0, 0.0, 0.0, 1.0, 2.0]
    >>> Past(first.left).behind(rows[:, 3:], 2, dim=1).flatten().tolist()
    [1.0, 2.0, 3.0, 4.0]
    """

    def __init__(self, parts: Sequence[Tensor] = (), asked: int | None = None) -> None:
        self._asked = asked
        self._begins = not parts
        self._parts = iter(parts)
        self.left: list[Tensor] = []  # the past of the rows that follow

    def take(self, like: Tensor, shape: Sequence[int]) -> Tensor:
        """Return the next part; zeros of `shape` on `like`'s device at the beginning."""
        return like.new_zeros(shape) if self._begins else next(self._parts)

    def leave(self, part: Tensor) -> None:
        """Hand a part on to the rows that follow."""
        self.left.append(part)

    def needed(self, x: Tensor, reach: int = 0) -> Tensor:
        """Return of `x` (B, T, ..) the rows that are asked, and the `reach` rows before them.

        Examples
        --------
        >>> Past(asked=2).needed(torch.zeros(1, 5, 1), reach=1).shape
        torch.Size([1, 3, 1])
        """
        return x if self._asked is None else x[:, -(self._asked + reach) :]

    def behind(self, x: Tensor, rows: int, dim: int) -> Tensor:
        """Return `x` with the `rows` rows before it in front; `dim` is the axis of time."""
        if not rows:
            return x
        shape = list(x.shape)
        shape[dim] = rows
        y = torch.cat((self.take(x, shape), x), dim)
        self.leave(y.narrow(dim, y.shape[dim] - rows, rows))
        return y


class Forecaster(nn.Module):
    """Standardise -> network -> ordered quantiles; the graph that is trained and exported.

    Input (B, T, F) raw features, output (B, T, H) as `models.base.heads.HeadLayout`. The network is
    handed all features, or the columns `kept`, and a `Past` if it `carries` one. Columns that are
    `optional` may be NaN: the network is then handed their mean, and behind all features one flag
    for each that says it is there.
    """

    mean: Tensor
    scale: Tensor
    kept: Tensor
    optional: Tensor
    seen: Tensor

    def __init__(
        self,
        network: nn.Module,
        layout: HeadLayout,
        mean: Tensor,
        std: Tensor,
        kept: Sequence[int] | None = None,
        optional: Sequence[int] = (),
        *,
        carries: bool = False,
    ) -> None:
        super().__init__()
        self.may_miss = bool(optional)
        self.register_buffer("optional", torch.tensor(optional, dtype=torch.int64))
        # A feed that never moved in training says nothing, nor does its being there.
        self.register_buffer("seen", (std[list(optional)] < MUTED_ABOVE).to(torch.float32))
        self.network = network
        self.carries = carries
        self.layout = layout
        self.selects = kept is not None
        self.register_buffer("kept", torch.tensor(kept or (), dtype=torch.int64))
        self.register_buffer("mean", mean.to(torch.float32))
        self.register_buffer("scale", (1.0 / std).to(torch.float32))

    def forward(self, features: Tensor, past: Past | None = None) -> Tensor:
        return self.ordered(self.raw(self.standardised(features), past))

    def standardised(self, features: Tensor) -> Tensor:
        """Return what the network is given, (B, T, columns), of raw features (B, T, F)."""
        x = ((features - self.mean) * self.scale).clamp(-FEATURE_CLIP, FEATURE_CLIP)  # (B, T, F)
        if self.may_miss:
            there = 1.0 - torch.isnan(x.index_select(-1, self.optional)).to(x.dtype)
            x = torch.where(torch.isnan(x), torch.zeros_like(x), x)
        if self.selects:
            x = x.index_select(-1, self.kept)
        if self.may_miss:
            x = torch.cat((x, there * self.seen), dim=-1)
        return x

    def reads_like(self, other: Forecaster) -> bool:
        """Return whether `other` hands its network the same of every row."""
        names = ("mean", "scale", "kept", "optional", "seen")
        return all(torch.equal(getattr(self, name), getattr(other, name)) for name in names)

    def raw(self, x: Tensor, past: Past | None) -> Tensor:
        """Return the network's answers (B, T, H) to what it is given."""
        y: Tensor = self.network(x, past) if self.carries else self.network(x)
        return y

    def ordered(self, raw: Tensor) -> Tensor:
        """Return answers (.., H) of networks with their quantiles in order."""
        q = raw[..., self.layout.quantiles]  # (.., 5)
        # Median plus non-negative steps outwards: quantiles cannot cross.
        low = functional.softplus(q[..., :2])  # steps 5->25 and 25->50
        high = functional.softplus(q[..., 3:])  # steps 50->75 and 75->95
        mid = q[..., 2:3]
        q25, q75 = mid - low[..., 1:2], mid + high[..., 0:1]
        ordered = torch.cat((q25 - low[..., 0:1], q25, mid, q75, q75 + high[..., 1:2]), dim=-1)
        return torch.cat(
            (raw[..., self.layout.classes], ordered, raw[..., self.layout.quantiles.stop :]), dim=-1
        )


class Committee(nn.Module):
    """K trained forecasters answering as one graph: the mean of their distributions.

    Source: Lakshminarayanan, Pritzel & Blundell, "Simple and scalable predictive uncertainty
    estimation using deep ensembles", 2017. Probabilities of classes and hazards are averaged, and
    quantiles level by level (Vincentisation), which keeps them in order. What all members do alike
    is done once: they were made of the same rows.

    Raises
    ------
    ValueError
        If the members standardise features differently.
    """

    def __init__(self, members: Sequence[Forecaster]) -> None:
        super().__init__()
        if not all(member.reads_like(members[0]) for member in members):
            raise ValueError("expected members that standardise alike, got members of other rows")
        self.members = nn.ModuleList(members)
        self.layout = members[0].layout
        self.carries = members[0].carries

    def forward(self, features: Tensor, past: Past | None = None) -> Tensor:
        past, members = past or Past(), cast("list[Forecaster]", list(self.members))
        x = members[0].standardised(features)
        raw = torch.stack([member.raw(x, past) for member in members])  # (K, B, T, H)
        answers = members[0].ordered(raw)
        quantiles = answers[..., self.layout.quantiles].mean(dim=0)
        rest = slice(self.layout.quantiles.stop, self.layout.peak.stop)  # hazards, of the peak too
        hazard = answers[..., rest]
        # In logarithms, and by softplus: ONNX Runtime's sigmoid has few digits of a small one.
        logit = _log_mean(-functional.softplus(-hazard)) - _log_mean(-functional.softplus(hazard))
        parts = [_mean_logits(answers[..., self.layout.classes]), quantiles, logit]
        if self.layout.action:
            parts.append(_mean_logits(answers[..., self.layout.actions]))
        return torch.cat(parts, dim=-1)


def _mean_logits(logits: Tensor) -> Tensor:
    """Return logits (..) of the mean over the members of the probabilities, from theirs (K, ..)."""
    return _log_mean(functional.log_softmax(logits, dim=-1))


def _log_mean(logs: Tensor) -> Tensor:
    """Return the logarithm (..) of a mean over the members, from their logarithms (K, ..)."""
    return torch.logsumexp(logs, dim=0) - math.log(len(logs))


def start_at_prior(head: nn.Linear | nn.Conv1d, bias: Tensor) -> None:
    """Make the last layer answer `bias` (H,) before training: the gain then starts at zero."""
    assert head.bias is not None
    with torch.no_grad():
        head.bias.copy_(bias)
        head.weight.mul_(0.1)
