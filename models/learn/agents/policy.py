"""The trained policy as a graph: raw features in, an action for every position held out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.base.heads import HeadLayout
from models.learn.agents.environment import OBSERVATION_CLIP

_SMALLEST = 1e-6  # probability whose logarithm float32 still tells from the next


class ServedPolicy(nn.Module):
    """Features (B, T, F) -> outputs (B, T, H); row t depends on row t only.

    The class logits are those of the next action of an account that is flat, so that row by row
    they mean the same whatever a bot holds; the policy head is the most likely action for each
    position it could hold.

    # DIFF: a table that contradicts itself is not served as it was learned. Where an account that
    # is flat would go long and one that is long would turn short, Freqtrade, which opens one side a
    # candle, could do only one of the two: turning round to the side that is not entered, or to
    # both, is served as leaving.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, actor: nn.Sequential, layout: HeadLayout, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.actor, self.layout, self.flat = actor, layout, layout.policy // 2
        self.register_buffer("mean", mean.to(torch.float32))
        self.register_buffer("scale", (1.0 / std).to(torch.float32))

    def forward(self, features: Tensor) -> Tensor:
        logits = self.logits(features)  # (B, T, K, K)
        p = torch.softmax(logits[..., self.flat, :], dim=-1)  # (B, T, K) of the next action
        sides = (p[..., : self.flat], p[..., self.flat : self.flat + 1], p[..., self.flat + 1 :])
        classes = torch.cat([side.sum(dim=-1, keepdim=True) for side in sides], dim=-1)
        known = torch.log(classes.clamp_min(_SMALLEST))  # (B, T, 3)
        absent = known[..., :1] * torch.nan  # (B, T, 1)
        between = self.layout.choices.start - 3
        chosen = consistent(logits.argmax(dim=-1)).to(known.dtype)
        return torch.cat((known, absent.expand(-1, -1, between), chosen), dim=-1)

    def choices(self, features: Tensor) -> Tensor:
        """Return the action for each position held, (B, T, K) int64, as it is served."""
        return consistent(self.logits(features).argmax(dim=-1))

    def logits(self, features: Tensor) -> Tensor:
        """Return each action's logit for each position held, (B, T, K, K)."""
        first, *rest = self.actor
        assert isinstance(first, nn.Linear)
        x = ((features - self.mean) * self.scale).clamp(
            -OBSERVATION_CLIP, OBSERVATION_CLIP
        )  # (B, T, F)
        seen = x.shape[-1]
        held = first.weight[:, seen:].T  # (K, U): what holding a position adds
        hidden = functional.linear(x, first.weight[:, :seen], first.bias)  # (B, T, U)
        out = hidden[..., None, :] + held  # (B, T, K, U)
        for layer in rest:
            out = layer(out)
        return out


def consistent(choices: Tensor) -> Tensor:
    """Return tables of actions (.., K) that turn round to the row's one side of entry only.

    Examples
    --------
    >>> consistent(torch.tensor([[0, 2, 0], [2, 1, 1], [2, 1, 0], [1, 0, 0]])).tolist()
    [[0, 2, 1], [2, 1, 1], [1, 1, 1], [1, 0, 0]]
    """
    flat = choices.shape[-1] // 2
    side = torch.sign(choices - flat)  # (.., K)
    up = (side[..., :flat] > 0).any(dim=-1, keepdim=True).to(side.dtype)
    down = (side[..., flat + 1 :] < 0).any(dim=-1, keepdim=True).to(side.dtype)
    entered = side[..., flat : flat + 1]
    entered = torch.where(entered != 0, entered, up - down)
    holding = torch.sign(torch.arange(choices.shape[-1]) - flat)  # (K,)
    turns = (side * holding < 0) & (side != entered)
    return torch.where(turns, torch.full_like(choices, flat), choices)
