"""What the verdict looks at: held-out windows, and draws of the generator and of the baselines."""

from __future__ import annotations

import numpy as np
import torch

from models.base.errors import TrainingError
from models.base.types import FloatArray, IntArray
from models.base.windows import Span
from models.learn.gan.adversarial import row_conditions
from models.learn.gan.baselines import block_bootstrap, fit_garch
from models.learn.gan.generator import Generator
from models.learn.gan.noise import standard_noise
from models.learn.gan.observed import Observed, paths_after
from models.learn.gan.trained import Trained
from models.learn.gan.verdict import Evidence

_DRAWS = 100  # per window
_NEXT_DRAWS = 200  # of the next return of each row
_AT_ONCE = 256  # rows, whose noise fits into memory
_FEWEST = 10  # windows


def gather(
    trained: Trained, features: torch.Tensor, train: Span, held_out: Span, steps: int, seed: int
) -> Evidence:
    """Return the evidence of the rows `held_out`, in windows of `steps` candles.

    Raises
    ------
    TrainingError
        If there are too few windows without a gap.
    """
    observed, generator = trained.observed, trained.generator
    path, known = paths_after(observed, held_out, steps)
    rows, y = row_conditions(generator, features, list(observed.runs), held_out, trained.burn_in)
    usable = np.flatnonzero(known[rows])
    starts = _apart(rows[usable], steps)
    if len(starts) < _FEWEST:
        raise TrainingError(
            f"expected at least {_FEWEST} held-out windows of {steps} candles, got {len(starts)}",
            cure="lengthen the training window",
        )
    windows = rows[usable[starts]]
    fitted_path, fitted = paths_after(observed, train, steps)
    fitted_rows = np.flatnonzero(fitted)
    training = fitted_path[fitted_rows[_apart(fitted_rows, steps)]]
    known_rows = np.concatenate([np.arange(r.start, r.stop) for r in observed.runs])
    known_rows = known_rows[known_rows < train.stop]
    return Evidence(
        assets=observed.assets,
        real=path[windows],
        generated=draw(generator, y[usable[starts]], trained.profile(steps), _DRAWS, seed),
        training=training,
        next_real=path[rows[usable], 0, 0],
        next_drawn=_next(generator, y[usable], trained.profile(1), seed),
        baselines={
            "block_bootstrap": _boot(observed.scaled[known_rows], len(windows), steps, seed),
            "filtered_historical": _filtered(observed, known_rows, windows, steps, seed),
        },
    )


def _apart(rows: IntArray, steps: int) -> IntArray:
    """Return indices of ascending `rows` whose windows of `steps` candles do not overlap."""
    kept, free = [], -1
    for i, row in enumerate(rows):
        if row >= free:
            kept.append(i)
            free = row + steps
    return np.array(kept, dtype=np.int64)


@torch.no_grad()
def draw(
    generator: Generator, y: torch.Tensor, basis: torch.Tensor, draws: int, seed: int
) -> FloatArray:
    """Return paths (W, G, S, A) of conditions (W, P), every draw with noise of its own."""
    assets, steps = generator.shocks.assets, len(basis)
    out = np.empty((len(y), draws, steps, assets))
    noise = standard_noise(len(y) * draws, steps, assets, seed)
    for w, condition in enumerate(y):
        z = torch.from_numpy(noise[w * draws : (w + 1) * draws])
        out[w] = generator(condition[None], z, basis)[0].numpy()
    return out


def _next(generator: Generator, y: torch.Tensor, basis: torch.Tensor, seed: int) -> FloatArray:
    """Return draws (R, N) of the traded pair's next return.

    Every row has noise of its own: rows that share it are all wrong about a tail together, which
    what happened is not.
    """
    out = np.empty((len(y), _NEXT_DRAWS))
    for first in range(0, len(y), _AT_ONCE):
        here = slice(first, first + _AT_ONCE)
        out[here] = draw(generator, y[here], basis, _NEXT_DRAWS, seed + 1 + first)[:, :, 0, 0]
    return out


def _boot(scaled: FloatArray, windows: int, steps: int, seed: int) -> FloatArray:
    drawn = block_bootstrap(scaled, windows * _DRAWS, steps, seed)
    return drawn.reshape(windows, _DRAWS, *drawn.shape[1:])


def _filtered(
    observed: Observed, train_rows: IntArray, windows: IntArray, steps: int, seed: int
) -> FloatArray:
    """Return draws (W, G, S, A) in units of sigma; the filter ends at each window's row."""
    returns = observed.log_return
    model = fit_garch(returns[train_rows])
    known = np.concatenate([np.arange(r.start, r.stop) for r in observed.runs])
    variance = np.zeros_like(returns)
    variance[known] = model.variance(returns[known])
    drawn = model.simulate(variance[windows], _DRAWS, steps, seed)
    return np.asarray(drawn / observed.sigma[windows][:, None, None, None])
