"""Training the generator: against the critic, and against a proper score of its distribution.

Wasserstein loss with a gradient penalty (Gulrajani et al. 2017).
# DIFF: the generator also minimises the continuous ranked probability score of its cumulative
# returns at every step (scoring-rule training, Pacchiardi et al. 2021). The critic alone, in a
# minute on one core, leaves location and scale of the conditional distribution to luck, and those
# are what the forecast consists of. The critic shapes what marginal scores do not see: how steps
# and assets hang together.
# DIFF: the weights kept are the averaged ones with the best score of the served forecasts on the
# validation rows. Neither player's loss says how good a generator is.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from models.base.errors import TrainingError
from models.base.types import IntArray
from models.base.windows import Span, sequences
from models.learn.gan.gan import GANConfig
from models.learn.gan.generator import Critic, Generator
from models.learn.gan.noise import REACH, noise_channels
from models.learn.training.averaging import averaged_weights
from models.learn.training.loop import clip_runs
from models.learn.training.settings import TrainingSettings


@dataclass(frozen=True, kw_only=True)
class Material:
    """Rows to train on; every tensor by row of the frame."""

    features: Tensor  # (N, F) raw
    weight: Tensor  # (N,)
    past: Tensor  # (N, L, A)
    path: Tensor  # (N, S, A)
    known: Tensor  # (N,) bool, rows with a path
    runs: list[Span]  # of training rows
    burn_in: int
    basis: Tensor  # (S, Q)


@dataclass
class FitRecord:
    """(step, validation score in nats), (step, critic's distance), and the step that was kept."""

    validation: list[tuple[int, float]] = field(default_factory=list)
    distance: list[tuple[int, float]] = field(default_factory=list)
    best_step: int = 0
    best_score: float = float("inf")
    seconds: float = 0.0


def fit_adversarially(
    generator: Generator,
    material: Material,
    config: GANConfig,
    settings: TrainingSettings,
    score: Callable[[Generator], float],
    seed: int,
    title: str,
) -> tuple[Generator, FitRecord]:
    """Train `generator` and return its averaged weights with the best `score`, lower is better.

    Raises
    ------
    TrainingError
        If no training row has a path, or a loss stops being finite.
    """
    if not _pieces(material, settings.segment_candles):
        raise TrainingError(
            "no training row has a gap-free path before and after it",
            where=title,
            cure="provide longer history, or shorter horizons",
        )
    torch.manual_seed(seed)
    game = _Game(generator, material, config, settings, np.random.default_rng(seed))
    average = averaged_weights(generator, settings.ema)
    averaged = average.module
    assert isinstance(averaged, Generator)
    best = copy.deepcopy(generator).eval()
    record, stale, started = FitRecord(), 0, time.monotonic()
    generator.train()
    for step in range(1, settings.max_steps + 1):
        loss, distance = game.step()
        if not np.isfinite(loss):
            raise TrainingError(
                f"training loss became {loss} at step {step}",
                where=title,
                cure="check the features for extreme values; lower training.learning_rate",
            )
        average.update_parameters(generator)
        if step % settings.evaluate_every == 0 or step == settings.max_steps:
            value = score(averaged)
            record.validation.append((step, value))
            record.distance.append((step, distance))
            stale += 1
            if value < record.best_score:
                record.best_score, record.best_step, stale = value, step, 0
                best.load_state_dict(averaged.state_dict())
            sys.stderr.write(
                f"  {title}  step {step:4d}/{settings.max_steps}  validation {value:.4f}  critic "
                f"{distance:.3f}  {time.monotonic() - started:5.1f} s\n"
            )
            if stale >= settings.patience:
                break
    record.seconds = time.monotonic() - started
    return best, record


class _Game:
    """Both players and their optimisers."""

    def __init__(
        self,
        generator: Generator,
        material: Material,
        config: GANConfig,
        settings: TrainingSettings,
        rng: np.random.Generator,
    ) -> None:
        self.generator, self.material, self.rng = generator, material, rng
        self.config, self.settings = config, settings
        length = material.past.shape[1] + material.path.shape[1]
        self.critic = Critic(
            material.features.shape[1], material.path.shape[2], length, config.critic_channels
        )
        self.forger = torch.optim.AdamW(
            generator.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        # A short memory of gradients: the critic's target moves.
        self.detective = torch.optim.Adam(
            self.critic.parameters(), config.critic_learning_rate, betas=(0.5, 0.9)
        )

    def step(self) -> tuple[float, float]:
        """Take one step of the generator after some of the critic; return loss and distance.

        If the loss is not finite the weights are left alone.
        """
        g, m, config = self.generator, self.material, self.config
        rows, y = self._conditions()
        judged = self.rng.permutation(len(rows))[: config.critic_rows]
        y_judged, rows_judged = y[judged], torch.from_numpy(rows[judged])
        distance = 0.0
        for _ in range(config.critic_steps):
            with torch.no_grad():
                fake = g.one_each(y_judged, self._noise(len(judged)), m.basis)
            distance = self._critic_step(rows_judged, fake)
        fake = g.one_each(y_judged, self._noise(len(judged)), m.basis)
        fooled = self._judge(rows_judged, fake).mean()
        some = self.rng.permutation(len(rows))[: config.score_rows]
        paths = g(y[some], self._noise(config.score_paths), m.basis)
        chosen = torch.from_numpy(rows[some])
        crps = path_score(paths, m.path[chosen], m.weight[chosen])
        loss = crps - config.adversarial_weight * fooled
        if bool(torch.isfinite(loss)):
            self.forger.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(g.parameters(), self.settings.gradient_clip)
            self.forger.step()
        return float(loss.detach()), distance

    def _critic_step(self, rows: Tensor, fake: Tensor) -> float:
        """Take one step of the critic and return the distance it sees."""
        real = self.material.path[rows]
        between = torch.rand(len(rows), 1, 1)
        mixed = (between * real + (1 - between) * fake).requires_grad_(True)
        distance = self._judge(rows, real).mean() - self._judge(rows, fake).mean()
        (slope,) = torch.autograd.grad(self._judge(rows, mixed).sum(), mixed, create_graph=True)
        penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
        self.detective.zero_grad(set_to_none=True)
        (self.config.gradient_penalty * penalty - distance).backward()  # type: ignore[no-untyped-call]
        self.detective.step()
        return float(distance.detach())

    def _judge(self, rows: Tensor, path: Tensor) -> Tensor:
        m = self.material
        row = self.generator.condition.standardised(m.features[rows])
        out: Tensor = self.critic(m.past[rows], path, row)
        return out

    def _noise(self, paths: int) -> Tensor:
        steps, assets = self.material.path.shape[1:]
        return torch.randn(paths, REACH + steps, noise_channels(assets))

    def _conditions(self) -> tuple[IntArray, Tensor]:
        """Return rows (R,) with a path, of random segments, and their conditions (R, P)."""
        m, segment = self.material, self.settings.segment_candles
        pieces = _pieces(m, segment, int(self.rng.integers(segment)))
        chosen = [pieces[i] for i in self.rng.permutation(len(pieces))[: self.settings.batch]]
        longest = max(len(span) for span, _ in chosen)
        # Short sequences repeat their last row; those rows are not read.
        index = np.stack(
            [np.minimum(np.arange(s.start, s.start + longest), s.stop - 1) for s, _ in chosen]
        )
        y = self.generator.condition(m.features[torch.from_numpy(index)])  # (B, T, P)
        counted = np.zeros(index.shape, dtype=bool)
        for b, (span, first) in enumerate(chosen):
            counted[b, first - span.start : len(span)] = True
        counted &= m.known.numpy()[index]
        return index[counted], y[torch.from_numpy(counted)]


def _pieces(m: Material, steps: int, phase: int = 0) -> list[tuple[Span, int]]:
    """Return sequences of burn-in and `steps` rows that have at least one row with a path."""
    return [
        (span, first)
        for run in m.runs
        for span, first in sequences(run, m.burn_in, steps, phase)
        if bool(m.known[first : span.stop].any())
    ]


def path_score(paths: Tensor, real: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted mean CRPS of cumulative returns over sqrt(step), all steps and assets.

    Parameters
    ----------
    paths
        (R, N, S, A) of each row; the estimate is unbiased in N (Ferro 2014).
    real
        (R, S, A).
    """
    count, steps = paths.shape[1:3]
    unit = torch.arange(1, steps + 1).sqrt()[:, None]  # (S, 1)
    x, y = paths.cumsum(dim=2) / unit, real.cumsum(dim=1) / unit
    miss = (x - y[:, None]).abs().mean(dim=1)  # (R, S, A)
    ranks = torch.arange(1, count + 1)[:, None, None] * 2.0 - count - 1
    # mean |x_i - x_j| over i != j, from the order statistics
    spread = (ranks * x.sort(dim=1).values).sum(dim=1) * 2 / (count * (count - 1))
    crps = (miss - spread / 2).mean(dim=(1, 2))  # (R,)
    return (crps * weight).sum() / weight.sum()


@torch.no_grad()
def row_conditions(
    generator: Generator, features: Tensor, runs: list[Span], span: Span, burn_in: int
) -> tuple[IntArray, Tensor]:
    """Return the rows (R,) of `span` with a full context, and their conditions (R, P)."""
    generator.eval()
    rows, answers = [], []
    for run in clip_runs(runs, span, burn_in):
        for piece, first in sequences(run, burn_in, 1024):
            y = generator.condition(features[None, piece.start : piece.stop])[0]
            rows.append(np.arange(first, piece.stop))
            answers.append(y[first - piece.start :])
    return np.concatenate(rows), torch.cat(answers)
