"""A generator after its training, as the evidence and the export need it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.learn.gan.adversarial import FitRecord
from models.learn.gan.generator import Generator
from models.learn.gan.noise import profile
from models.learn.gan.observed import Observed


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A generator, and what it was trained on."""

    generator: Generator
    record: FitRecord
    observed: Observed
    basis: Tensor  # (S, Q)
    burn_in: int
    candle_ms: int

    def profile(self, steps: int) -> Tensor:
        """Return the profile terms (S, Q) of paths of another length."""
        return torch.from_numpy(profile(steps, self.candle_ms)).float()

    @property
    def steps(self) -> int:
        return len(self.basis)
