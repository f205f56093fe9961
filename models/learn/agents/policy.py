"""The trained policy as a graph: raw features in, action probabilities out, position carried."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.base.heads import HeadLayout
from models.learn.agents.environment import (
    OBSERVATION_CLIP,
    RUIN,
    SMALLEST_SIGMA,
    STATE,
    AccountRules,
)

_SMALLEST = 1e-6  # probability whose logarithm float32 still tells from the next
_LARGEST_RETURN = 1.0  # log return; a candle beyond it is damage, and would overflow


class ServedPolicy(nn.Module):
    """Features (B, T, F) -> outputs (B, T, H): at each row, what an account would do next.

    Row t answers for the account opened flat at the close of candle t - W + 1 (or at the first
    row given) that has followed the most likely action since, carrying its position, unrealised
    profit and margin along; W is `life_candles`. So row t depends on rows t - W + 1 .. t and on
    nothing before, and a live window gives what a backtest gives.

    # DIFF: not one account carried for ever. A position held since before the window is invisible
    # to a live bot that has just started, and a policy that tends to keep what it has would never
    # forget it: backtest and live would differ for good. Training episodes are as long.
    """

    mean: Tensor
    scale: Tensor
    targets: Tensor

    def __init__(
        self,
        actor: nn.Sequential,
        layout: HeadLayout,
        rules: AccountRules,
        mean: Tensor,
        std: Tensor,
        return_column: int,
        sigma_column: int,
    ) -> None:
        super().__init__()
        self.actor, self.layout, self.rules = actor, layout, rules
        self.return_column, self.sigma_column = return_column, sigma_column
        self.register_buffer("mean", mean.to(torch.float32))
        self.register_buffer("scale", (1.0 / std).to(torch.float32))
        self.register_buffer("targets", torch.tensor(rules.targets, dtype=torch.float32))

    def forward(self, features: Tensor) -> Tensor:
        p = self.probabilities(features)  # (B, T, A)
        middle = len(self.rules.targets) // 2
        sides = (p[..., :middle], p[..., middle : middle + 1], p[..., middle + 1 :])
        classes = torch.cat([side.sum(dim=-1, keepdim=True) for side in sides], dim=-1)
        logits = torch.log(classes.clamp_min(_SMALLEST))  # (B, T, 3)
        absent = logits[..., :1] * torch.nan  # (B, T, 1)
        return torch.cat((logits, absent.expand(-1, -1, self.layout.width - 3)), dim=-1)

    def decided(self, features: Tensor) -> Tensor:
        """Return the leverage the most likely action of each row asks for, (B, T)."""
        return self.targets[self.probabilities(features).argmax(dim=-1)]

    def probabilities(self, features: Tensor) -> Tensor:
        """Return the probability of each action, (B, T, A)."""
        first, *rest = self.actor
        assert isinstance(first, nn.Linear)
        x = ((features - self.mean) * self.scale).clamp(
            -OBSERVATION_CLIP, OBSERVATION_CLIP
        )  # (B, T, F)
        weight_x, weight_state = first.weight[:, :-STATE], first.weight[:, -STATE:]
        sigma = features[..., self.sigma_column : self.sigma_column + 1]  # (B, T, 1)
        r = features[..., self.return_column : self.return_column + 1] * sigma
        life, steps = self.rules.life_candles, features.shape[1]
        before = (0, 0, life - 1, 0)  # rows in front of the first, where no account is open
        hidden = functional.pad(functional.linear(x, weight_x, first.bias), before)
        r = functional.pad(r.clamp(-_LARGEST_RETURN, _LARGEST_RETURN), before)
        unit = functional.pad(sigma.clamp_min(SMALLEST_SIGMA) * life**0.5, before, value=1.0)
        is_open = functional.pad(torch.ones_like(sigma), before)
        target = torch.zeros_like(sigma)  # (B, T, 1), of the account that answers at row t
        leverage, move = target, target
        logits = target
        # Lag by lag for all rows at once: account t is `age` candles old at row t - W + 1 + age.
        for age in range(life):
            now = slice(age, age + steps)
            ratio = leverage.abs() / self.rules.max_leverage
            profit = (target.sign() * move / unit[:, now]).clamp(
                -OBSERVATION_CLIP, OBSERVATION_CLIP
            )
            state = torch.cat(
                ((leverage / self.rules.targets[-1]).clamp(-OBSERVATION_CLIP, OBSERVATION_CLIP),
                 profit, ratio.clamp(0.0, OBSERVATION_CLIP)), dim=-1,
            )  # fmt: skip
            logits = hidden[:, now] + functional.linear(state, weight_state)
            for layer in rest:
                logits = layer(logits)  # (B, T, A) in the end
            if age + 1 == life:
                break
            wanted = self.targets[logits.argmax(dim=-1, keepdim=True)] * is_open[:, now]
            kept = (wanted == target) & (ratio <= 1.0)
            leverage = torch.where(kept, leverage, wanted)
            move = torch.where(wanted.sign() == target.sign(), move, torch.zeros_like(move))
            ahead = r[:, age + 1 : age + 1 + steps]
            growth = 1.0 + leverage * (torch.exp(ahead) - 1.0)
            alive = (growth > RUIN).to(growth.dtype)
            leverage = alive * leverage * torch.exp(ahead) / growth.clamp_min(RUIN)
            target, move = alive * wanted, alive * (move + ahead)
        return torch.softmax(logits, dim=-1)
