"""The one training loop: sequences, weight averaging, early stopping that restores the best.

Sequence training (ARCHITECTURE: forecast contract): each optimiser step sees `batch` sequences of
burn-in + segment rows, and supervises every row after the burn-in. Tiling gets a random phase each
epoch so that segment edges fall elsewhere.
"""

from __future__ import annotations

import copy
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from models.base.errors import ConfigError, TrainingError
from models.base.heads import HeadLayout
from models.base.types import FloatArray
from models.base.windows import Span, sequences
from models.learn.nets.base import Forecaster, Past
from models.learn.training.averaging import averaged_weights
from models.learn.training.loss import LossParts, Targets, loss_parts
from models.learn.training.settings import TrainingSettings

M = TypeVar("M", bound=nn.Module)

_JUDGED_AT_ONCE = 8  # sequences; a recurrent network takes hardly longer over eight than over one


@dataclass
class History:
    """What happened: (optimiser step, validation loss in nats) and the step that was kept."""

    validation: list[tuple[int, float]] = field(default_factory=list)
    best_step: int = 0
    best_loss: float = float("inf")
    seconds: float = 0.0


@dataclass(frozen=True)
class Rows:
    """One frame on the training side: features, targets and weights by row, and usable runs."""

    features: Tensor  # (N, F)
    targets: Targets
    weight: Tensor  # (N,)
    runs: list[Span]
    # Runs of other markets, whose rows follow the market's own, that count with its training and
    # its validation rows; burn-in included.
    peers_train: tuple[Span, ...] = ()
    peers_validation: tuple[Span, ...] = ()

    def to(self, device: torch.device) -> Rows:
        """Return the same rows on `device`."""
        return replace(
            self,
            features=self.features.to(device),
            targets=self.targets.to(device),
            weight=self.weight.to(device),
        )


def place(settings: TrainingSettings) -> tuple[torch.device, bool]:
    """Return where to train, and whether in mixed precision.

    Raises
    ------
    ConfigError
        If a GPU is asked for and there is none.
    """
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "expected a GPU, found none",
            where="training.device",
            cure="set it to auto, or install a torch build with CUDA",
        )
    device = "cpu" if settings.device == "cpu" or not torch.cuda.is_available() else "cuda"
    mixed = settings.precision == "bfloat16" or (settings.precision == "auto" and device == "cuda")
    return torch.device(device), mixed


@contextmanager
def _precision(device: torch.device, mixed: bool) -> Iterator[None]:
    """Compute in bfloat16 where that is `mixed`.

    Raises
    ------
    ConfigError
        If the processor has no bfloat16 of its own and torch does without it for some layers only.
    """
    try:
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
            yield
    except RuntimeError as error:
        if not mixed or "primitive descriptor" not in str(error):
            raise
        raise ConfigError(
            f"this processor cannot compute the network in bfloat16: {error}",
            where="training.precision",
            cure="set it to float32 or auto",
        ) from error


def clip_runs(runs: list[Span], to: Span, burn_in: int) -> list[Span]:
    """Return the parts of `runs` whose counted rows lie in `to`; burn-in may start before it."""
    out = []
    for run in runs:
        start, stop = max(run.start, to.start - burn_in), min(run.stop, to.stop)
        if stop - start > burn_in:
            out.append(Span(start, stop))
    return out


def fill_span(
    out: FloatArray,
    runs: list[Span],
    span: Span,
    burn_in: int,
    answer: Callable[[Span], npt.ArrayLike],
) -> None:
    """Write into `out` (N, H) what is answered on the rows of `span` behind `burn_in` of their run.

    `answer` takes consecutive rows (T of them) and returns (T, H).
    """
    for run in clip_runs(runs, span, burn_in):
        first = max(run.start + burn_in, span.start)
        out[first : run.stop] = np.asarray(answer(run))[first - run.start :]


def _batches(
    runs: list[Span], burn_in: int, settings: TrainingSettings, rng: np.random.Generator
) -> Iterator[list[tuple[Span, int]]]:
    while True:
        phase = int(rng.integers(settings.segment_candles))
        pieces = [
            piece
            for run in runs
            for piece in sequences(run, burn_in, settings.segment_candles, phase)
        ]
        order = rng.permutation(len(pieces))
        for i in range(0, len(pieces), settings.batch):
            yield [pieces[k] for k in order[i : i + settings.batch]]


def _gather(pieces: list[tuple[Span, int]]) -> tuple[Tensor, Tensor]:
    """Return row indices (B, T) padded at the end with the last row, and a counted mask (B, T)."""
    longest = max(len(span) for span, _ in pieces)
    index = np.empty((len(pieces), longest), dtype=np.int64)
    counted = np.zeros((len(pieces), longest), dtype=np.float32)
    for b, (span, first) in enumerate(pieces):
        index[b] = np.minimum(np.arange(span.start, span.start + longest), span.stop - 1)
        counted[b, first - span.start : len(span)] = 1.0
    return torch.from_numpy(index), torch.from_numpy(counted)


def counted_outputs(
    model: nn.Module, rows: Rows, pieces: list[tuple[Span, int]]
) -> tuple[Tensor, Tensor]:
    """Return the outputs (R, H) of the counted rows of `pieces`, and which rows (R,) they are."""
    index, counted = _gather(pieces)
    lead = min(first - span.start for span, first in pieces)
    x, asked = rows.features[index], index.shape[1] - lead
    carries = isinstance(model, Forecaster) and model.carries
    y = (model(x, Past(asked=asked)) if carries else model(x))[:, -asked:]  # (B, T - lead, H)
    keep = counted[:, lead:] > 0
    return y[keep], index[:, lead:][keep]


def sequence_loss(
    model: nn.Module, rows: Rows, pieces: list[tuple[Span, int]], layout: HeadLayout
) -> LossParts:
    """Return the mean losses over the counted rows of `pieces`."""
    y, index = counted_outputs(model, rows, pieces)
    return loss_parts(y, rows.targets.rows(index), rows.weight[index], layout)


@torch.no_grad()
def evaluate(
    model: nn.Module,
    rows: Rows,
    span: Span,
    burn_in: int,
    layout: HeadLayout,
    peers: Sequence[Span] = (),
) -> LossParts:
    """Return the mean losses of `model` over the rows of `span` and the runs of `peers`."""
    training = model.training
    model.eval()
    outputs, index = [], []
    runs = [*clip_runs(rows.runs, span, burn_in), *peers]
    pieces = [piece for run in runs for piece in sequences(run, burn_in, 1024)]
    for i in range(0, len(pieces), _JUDGED_AT_ONCE):
        y, flat = counted_outputs(model, rows, pieces[i : i + _JUDGED_AT_ONCE])
        outputs.append(y)
        index.append(flat)
    model.train(training)
    every = torch.cat(index)
    return loss_parts(torch.cat(outputs), rows.targets.rows(every), rows.weight[every], layout)


def fit(
    model: M,
    rows: Rows,
    train: Span,
    validation: Span,
    burn_in: int,
    layout: HeadLayout,
    settings: TrainingSettings,
    seed: int,
    title: str = "",
    *,
    warm: bool = False,
    judged: Rows | None = None,
) -> tuple[M, History]:
    """Train `model` and return the averaged weights with the best validation loss, and the history.

    A `warm` model has been trained before: its weights are kept if no step betters them. Where
    rows weigh nothing in training because they are left out, `judged` has their weight in the
    validation loss.

    What is returned is on the CPU, wherever it was trained.

    Raises
    ------
    TrainingError
        If there is nothing to train on, or the loss stops being finite.
    """
    runs, peers = _usable_runs(rows, train, validation, burn_in)
    device, mixed = place(settings)
    model, rows, judged = model.to(device), rows.to(device), (judged or rows).to(device)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    average = averaged_weights(model, settings.ema)
    best = copy.deepcopy(model).eval()

    def validation_loss() -> float:
        parts = evaluate(average.module, judged, validation, burn_in, layout, peers)
        return float(parts.total(settings))

    batches = _batches(runs, burn_in, settings, rng)
    selection = _Selection(average.module, best, validation_loss, settings, title)
    if warm:
        selection.start_as_good_as_it_is()
    model.train()
    for step in range(1, settings.max_steps + 1):
        with _precision(device, mixed):
            parts = sequence_loss(model, rows, next(batches), layout)
        loss = parts.total(settings)
        _refuse_infinite(loss, step, title)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_clip)
        optimiser.step()
        average.update_parameters(model)
        due = step % settings.evaluate_every == 0 or step == settings.max_steps
        if due and selection.consider(step, loss):
            break
    return best.to("cpu"), selection.finished()


def _usable_runs(
    rows: Rows, train: Span, validation: Span, burn_in: int
) -> tuple[list[Span], list[Span]]:
    """Return the runs to train on, peers' included, and the peers' runs to validate on."""
    runs = clip_runs(rows.runs, train, burn_in)
    if not runs or not clip_runs(rows.runs, validation, burn_in):
        raise TrainingError(
            f"no run of more than {burn_in} gap-free candles in the training or validation rows",
            cure="provide longer history, or a shorter context",
        )
    runs += [run for run in rows.peers_train if len(run) > burn_in]
    return runs, [run for run in rows.peers_validation if len(run) > burn_in]


def _refuse_infinite(loss: Tensor, step: int, title: str) -> None:
    if not torch.isfinite(loss):
        raise TrainingError(
            f"training loss became {float(loss.detach())} at step {step}",
            where=title,
            cure="check the features for extreme values; lower training.learning_rate",
        )


class _Selection:
    """Keeps the averaged weights of lowest validation loss, and knows when to stop looking."""

    def __init__(
        self,
        average: nn.Module,
        best: nn.Module,
        validation_loss: Callable[[], float],
        settings: TrainingSettings,
        title: str,
    ) -> None:
        self._average, self._best, self._validation_loss = average, best, validation_loss
        self._settings, self._title = settings, title
        self._history, self._started, self._stale = History(), time.monotonic(), 0
        self._curves = _curves(settings, title)

    def start_as_good_as_it_is(self) -> None:
        """Count the weights there are, which `best` holds, as the first candidate."""
        self._history.best_loss = self._validation_loss()
        self._history.validation.append((0, self._history.best_loss))

    def consider(self, step: int, training_loss: Tensor) -> bool:
        """Keep the average if it is the best so far; return whether patience is at an end."""
        value, history, settings = self._validation_loss(), self._history, self._settings
        history.validation.append((step, value))
        self._stale += 1
        if value < history.best_loss:
            history.best_loss, history.best_step, self._stale = value, step, 0
            self._best.load_state_dict(self._average.state_dict())
        if self._curves is not None:
            self._curves.add_scalars("loss", {"training": training_loss, "validation": value}, step)
        _progress(self._title, step, settings.max_steps, value, history.best_loss, self._started)
        return self._stale >= settings.patience

    def finished(self) -> History:
        """Return what happened; nothing is considered after it."""
        if self._curves is not None:
            self._curves.close()
        self._history.seconds = time.monotonic() - self._started
        return self._history


def _curves(settings: TrainingSettings, title: str) -> Any:
    """Return a TensorBoard writer in a folder named after `title`, or None where not asked for.

    Raises
    ------
    ConfigError
        If it is asked for and not installed.
    """
    if not settings.tensorboard_dir:
        return None
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError(
            f"TensorBoard is not installed: {error}",
            where="training.tensorboard_dir",
            cure="pip install tensorboard, or leave the setting empty",
        ) from error
    name = re.sub(r"[^\w.-]+", "-", title) or "training"
    return SummaryWriter(str(Path(settings.tensorboard_dir) / name))  # type: ignore[no-untyped-call]


def _progress(title: str, step: int, last: int, value: float, best: float, started: float) -> None:
    spent = time.monotonic() - started
    sys.stderr.write(
        f"  {title}  step {step:4d}/{last}  validation {value:.4f}  best {best:.4f}"
        f"  {spent:5.1f} s, at most {spent / step * (last - step):.0f} s left\n"
    )
    sys.stderr.flush()
