"""The loss equals hand computations, ignores what is masked, and its prior fits the labels."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from models.base import columns
from models.base.errors import TrainingError
from models.base.heads import HeadLayout
from models.base.types import FloatArray, TrainingJob
from models.base.windows import Span
from models.learn.nets.base import Forecaster, start_at_prior
from models.learn.training.loop import Rows, clip_runs, evaluate, fit, sequence_loss
from models.learn.training.loss import LossParts, Targets, loss_parts, prior_outputs, targets
from models.learn.training.settings import TrainingSettings

torch.set_num_threads(1)

LAYOUT = HeadLayout(bin_edges=(1, 2, 4))
NAN = float("nan")


def labelled(**changes: list[float]) -> TrainingJob:
    """A job of four rows; `changes` replace its labels (named without their prefix)."""
    labels = {
        columns.LABEL_DIRECTION: [-1.0, 0.0, 1.0, 1.0],
        columns.LABEL_RETURN: [-1.0, 0.0, 0.5, 2.0],
        columns.LABEL_CASCADE_DOWN: [1.0, 2.0, 5.0, 5.0],
        columns.LABEL_CASCADE_UP: [5.0, 5.0, 4.0, 5.0],
    }
    labels |= {f"&-{name}": values for name, values in changes.items()}
    rows = len(labels[columns.LABEL_RETURN])
    return TrainingJob(
        network="lstm",
        features=np.zeros((rows, 1), dtype=np.float32),
        feature_names=("x",),
        labels={name: np.array(values) for name, values in labels.items()},
        time_ms=np.arange(rows, dtype=np.int64),
        candle_ms=1,
    )


def outputs(rows: int = 4) -> Tensor:
    y = torch.randn(rows, LAYOUT.width, generator=torch.Generator().manual_seed(0))
    return y.requires_grad_(True)


def losses(job: TrainingJob, y: Tensor, weight: Tensor | None = None) -> LossParts:
    ones = torch.ones(len(y)) if weight is None else weight
    return loss_parts(y, targets(job, LAYOUT), ones, LAYOUT)


def test_cross_entropy_when_computed_by_hand_then_it_agrees() -> None:
    y = torch.zeros(4, LAYOUT.width)
    y[:, LAYOUT.classes] = torch.log(torch.tensor([0.2, 0.3, 0.5]))
    expected = -np.log([0.2, 0.3, 0.5, 0.5]).mean()
    assert float(losses(labelled(), y).direction) == pytest.approx(expected, rel=1e-6)


def test_pinball_when_computed_by_hand_then_it_agrees() -> None:
    y = torch.zeros(1, LAYOUT.width)
    y[0, LAYOUT.quantiles] = torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0])
    known = {"return": 0.2, "direction": 1.0, "cascade_down": 5.0, "cascade_up": 5.0}
    job = labelled(**{name: [value] for name, value in known.items()})
    # errors 1.2 .7 .2 -.3 -.8 at levels .05 .25 .5 .75 .95
    expected = (0.05 * 1.2 + 0.25 * 0.7 + 0.5 * 0.2 + 0.25 * 0.3 + 0.05 * 0.8) / 5
    assert float(losses(job, y).quantile) == pytest.approx(expected, rel=1e-6)


def test_hazard_when_computed_by_hand_then_it_is_the_negative_log_likelihood() -> None:
    h = np.array([0.1, 0.2, 0.4])  # of both sides
    y = torch.zeros(4, LAYOUT.width)
    for side in (-1, 1):
        y[:, LAYOUT.hazard(side)] = torch.tensor(np.log(h / (1 - h)), dtype=torch.float32)
    none = -np.log(0.9 * 0.8 * 0.6)
    down = [-np.log(0.1), -np.log(0.9 * 0.2), none, none]
    up = [none, none, -np.log(0.9 * 0.8 * 0.4), none]
    expected = np.mean(np.add(down, up))
    assert float(losses(labelled(), y).hazard) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["direction", "return", "cascade_down"])
def test_loss_when_a_label_is_unknown_then_only_the_known_rows_count(name: str) -> None:
    y, part = outputs(), {"direction": "direction", "return": "quantile", "cascade_down": "hazard"}
    full = labelled()
    values = full.labels[f"&-{name}"].copy()
    values[1] = NAN
    masked = {name: values.tolist()}
    masked |= {"cascade_up": [5.0, NAN, 4.0, 5.0]} if name == "cascade_down" else {}
    got = getattr(losses(labelled(**masked), y), part[name])
    weight = torch.tensor([1.0, 0.0, 1.0, 1.0])
    expected = getattr(losses(full, y, weight), part[name])
    assert float(got.detach()) == pytest.approx(float(expected.detach()), rel=1e-6)
    others = {p for p in part.values() if p != part[name]}
    for other in others:
        assert torch.equal(
            getattr(losses(labelled(**masked), y), other), getattr(losses(full, y), other)
        )


def test_loss_when_one_cascade_side_is_unknown_then_the_other_still_counts() -> None:
    y = outputs()
    unknown = losses(labelled(cascade_up=[NAN] * 4), y).hazard
    gradient = torch.autograd.grad(unknown, y)[0]
    assert (gradient[:, LAYOUT.hazard(-1)] != 0).any()
    assert (gradient[:, LAYOUT.hazard(1)] == 0).all()
    only_down = losses(labelled(cascade_down=[NAN] * 4), y).hazard
    both = losses(labelled(), y).hazard
    assert float((unknown + only_down).detach()) == pytest.approx(float(both.detach()), rel=1e-6)


@pytest.mark.parametrize("name", ["return", "cascade_down", "cascade_up"])
def test_loss_when_a_label_is_infinite_then_it_is_unknown_like_nan(name: str) -> None:
    # A return over a volatility of zero is infinite: candles that stood still, then moved.
    y = outputs()
    infinite = labelled(**{name: [1.0, float("inf"), 1.0, 1.0]})
    unknown = labelled(**{name: [1.0, NAN, 1.0, 1.0]})
    totals = [losses(job, y).total(TrainingSettings()) for job in (infinite, unknown)]
    assert torch.isfinite(totals[0])
    assert torch.equal(*totals)


def test_loss_when_no_label_is_known_then_it_is_zero_with_zero_gradient() -> None:
    y = outputs()
    empty = labelled(
        **{k: [NAN] * 4 for k in ("direction", "return", "cascade_down", "cascade_up")}
    )
    total = losses(empty, y).total(TrainingSettings())
    assert float(total.detach()) == 0.0
    assert (torch.autograd.grad(total, y)[0] == 0).all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), wrong=st.floats(-3, 3))
def test_loss_when_a_row_weighs_nothing_then_its_targets_and_outputs_do_not_matter(
    seed: int, wrong: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    y = torch.randn(4, LAYOUT.width, generator=generator)
    other = y.clone()
    other[2] = wrong
    weight = torch.tensor([1.0, 0.5, 0.0, 2.0])
    changed = labelled(direction=[-1.0, 0.0, -1.0, 1.0], cascade_up=[5.0, 5.0, 1.0, 5.0])
    a, b = losses(labelled(), y, weight), losses(changed, other, weight)
    assert all(
        torch.equal(getattr(a, f), getattr(b, f)) for f in ("direction", "quantile", "hazard")
    )
    assert not torch.equal(losses(labelled(), y).hazard, losses(changed, other).hazard)


def test_pinball_when_a_constant_is_fitted_then_its_minimum_is_the_empirical_quantile() -> None:
    values = np.random.default_rng(0).standard_t(4, 2001)
    job = labelled(**{k: [1.0] * 2001 for k in ("direction", "cascade_down", "cascade_up")},
                   **{"return": values.tolist()})  # fmt: skip
    t, weight = targets(job, LAYOUT), torch.ones(2001)

    def loss(quantiles: FloatArray) -> float:
        y = torch.zeros(2001, LAYOUT.width)
        y[:, LAYOUT.quantiles] = torch.tensor(quantiles, dtype=torch.float32)
        return float(loss_parts(y, t, weight, LAYOUT).quantile)

    best = np.quantile(values, columns.QUANTILES)
    for i in range(5):
        for step in (-0.1, 0.1):
            moved = best.copy()
            moved[i] += step
            assert loss(moved) > loss(best)


# -- the starting point -------------------------------------------------------------------------


def many(rows: int = 4000) -> TrainingJob:
    rng = np.random.default_rng(0)
    return labelled(
        direction=rng.choice([-1.0, 0.0, 1.0], rows, p=[0.2, 0.5, 0.3]).tolist(),
        **{"return": rng.standard_t(4, rows).tolist()},
        cascade_down=np.minimum(rng.geometric(0.02, rows), 5).astype(float).tolist(),
        cascade_up=np.full(rows, 5.0).tolist(),
    )


class Constant(nn.Module):
    """A network that answers its bias whatever comes in."""

    def __init__(self, bias: Tensor) -> None:
        super().__init__()
        self.bias = nn.Parameter(bias.clone())

    def forward(self, x: Tensor) -> Tensor:
        return self.bias.expand(*x.shape[:2], -1)


def decoded(job: TrainingJob) -> Tensor:
    """Return the outputs (H,) of a forecaster that answers the prior."""
    t = targets(job, LAYOUT)
    prior = prior_outputs(t, slice(0, len(job.time_ms)), LAYOUT)
    model = Forecaster(Constant(prior), LAYOUT, torch.zeros(1), torch.ones(1))
    return model(torch.zeros(1, 1, 1))[0, 0].detach()


def test_prior_when_decoded_then_it_is_class_frequencies_and_empirical_quantiles() -> None:
    job = many()
    y = decoded(job)
    p = torch.softmax(y[LAYOUT.classes], dim=0).numpy()
    direction = job.labels[columns.LABEL_DIRECTION]
    counts = np.array([(direction == c).sum() for c in (-1, 0, 1)])
    np.testing.assert_allclose(p, (counts + 1) / (counts.sum() + 3), rtol=1e-5)
    q = np.quantile(job.labels[columns.LABEL_RETURN], columns.QUANTILES)
    np.testing.assert_allclose(y[LAYOUT.quantiles].numpy(), q, atol=2e-5)


def test_prior_when_decoded_then_hazards_are_event_rates_shrunk_to_one_in_two_thousand() -> None:
    job = many()
    y = torch.sigmoid(decoded(job))
    t = job.labels[columns.LABEL_CASCADE_DOWN]
    events = np.array([(t == 1).sum(), (t == 2).sum(), ((t == 3) | (t == 4)).sum()])
    risk = np.array([(t > lower).sum() for lower in (0, 1, 2)])
    expected = (events + 0.5) / (risk + 1000.0)
    np.testing.assert_allclose(y[LAYOUT.hazard(-1)].numpy(), expected, rtol=1e-4)
    np.testing.assert_allclose(y[LAYOUT.hazard(1)].numpy(), 0.5 / 5000.0, rtol=1e-4)


def test_prior_when_only_some_rows_are_given_then_the_others_do_not_count() -> None:
    job = many()
    whole = targets(job, LAYOUT)
    first = Targets(*(getattr(whole, n)[:1000] for n in whole.__dataclass_fields__))
    assert torch.equal(
        prior_outputs(whole, slice(0, 1000), LAYOUT), prior_outputs(first, slice(0, 1000), LAYOUT)
    )


def test_head_when_started_at_the_prior_then_its_bias_answers_for_a_zero_state() -> None:
    head, bias = nn.Linear(4, LAYOUT.width), torch.linspace(-1, 1, LAYOUT.width)
    before = head.weight.detach().clone()
    start_at_prior(head, bias)
    assert torch.equal(head(torch.zeros(4)).detach(), bias)
    torch.testing.assert_close(head.weight.detach(), 0.1 * before)


# -- quantiles never cross ----------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(raw=st.lists(st.floats(-1e4, 1e4, width=32), min_size=5, max_size=5))
def test_forecaster_when_the_network_says_anything_then_quantiles_never_cross(
    raw: list[float],
) -> None:
    bias = torch.zeros(LAYOUT.width)
    bias[LAYOUT.quantiles] = torch.tensor(raw)
    model = Forecaster(Constant(bias), LAYOUT, torch.zeros(1), torch.ones(1))
    y = model(torch.zeros(1, 1, 1))[0, 0].detach()
    q = y[LAYOUT.quantiles]
    assert (torch.diff(q) >= 0).all()
    assert q[2] == bias[LAYOUT.quantiles][2]
    rest = [i for i in range(LAYOUT.width) if not 3 <= i < 8]
    assert torch.equal(y[rest], bias[rest])


def test_forecaster_when_a_candle_is_mad_then_it_counts_as_eight_deviations() -> None:
    class Echo(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.expand(-1, -1, LAYOUT.width)

    model = Forecaster(Echo(), LAYOUT, torch.tensor([2.0]), torch.tensor([0.5]))
    x = torch.tensor([2.0, 3.0, 1e9, -1e9]).reshape(1, 4, 1)
    assert model(x)[0, :, 0].tolist() == [0.0, 2.0, 8.0, -8.0]


# -- sequences ----------------------------------------------------------------------------------


def planted_rows(rows: int = 300, weight: float = 1.0) -> Rows:
    return Rows(
        features=torch.zeros(rows, 1),
        targets=targets(many(rows), LAYOUT),
        weight=torch.full((rows,), weight),
        runs=[Span(0, rows)],
    )


def test_evaluation_when_the_span_is_cut_into_runs_then_the_mean_is_over_its_rows() -> None:
    rows = planted_rows()
    model = Constant(torch.linspace(-1, 1, LAYOUT.width))
    broken = dataclasses.replace(rows, runs=[Span(0, 120), Span(120, 300)])
    for runs, kept in ((rows, range(50, 250)), (broken, [*range(50, 120), *range(130, 250)])):
        got = evaluate(model, runs, Span(50, 250), 10, LAYOUT)
        index = torch.tensor(list(kept))
        y = model(torch.zeros(1, len(index), 1))[0]
        expected = loss_parts(y, rows.targets.rows(index), rows.weight[index], LAYOUT)
        for name in ("direction", "quantile", "hazard"):
            a, b = float(getattr(got, name)), float(getattr(expected, name).detach())
            assert a == pytest.approx(b, rel=1e-5), name


def test_evaluation_when_a_run_has_no_labels_then_it_does_not_dilute_the_mean() -> None:
    rows = planted_rows()
    model = Constant(torch.linspace(-1, 1, LAYOUT.width))
    broken = dataclasses.replace(rows, runs=[Span(0, 150), Span(150, 300)])
    broken.targets.direction_known[150:] = 0.0
    both = evaluate(model, broken, Span(10, 300), 10, LAYOUT)
    first = evaluate(model, broken, Span(10, 150), 10, LAYOUT)
    assert float(both.direction) == pytest.approx(float(first.direction), rel=1e-5)


def test_training_when_the_loss_is_not_a_number_then_the_step_is_named() -> None:
    model = Constant(torch.full((LAYOUT.width,), float("nan")))
    with pytest.raises(TrainingError, match="training loss became nan at step 1"):
        fit(
            model, planted_rows(), Span(0, 150), Span(150, 300), 10, LAYOUT,
            TrainingSettings(segment_candles=32, max_steps=2), seed=0,
        )  # fmt: skip


def test_training_when_no_run_is_longer_than_the_burn_in_then_it_says_so() -> None:
    rows = dataclasses.replace(planted_rows(), runs=[Span(0, 40), Span(150, 190)])
    with pytest.raises(TrainingError, match="no run of more than 50 gap-free candles"):
        fit(
            Constant(torch.zeros(LAYOUT.width)), rows, Span(0, 150), Span(150, 300), 50, LAYOUT,
            TrainingSettings(max_steps=1), seed=0,
        )  # fmt: skip


def test_training_when_validation_gets_worse_then_the_best_weights_come_back() -> None:
    rows = planted_rows()
    rows.targets.direction[:150] = 2  # training says always up,
    rows.targets.direction[150:] = 0  # validation always down
    best, history = fit(
        Constant(torch.zeros(LAYOUT.width)), rows, Span(0, 150), Span(150, 300), 10, LAYOUT,
        TrainingSettings(
            segment_candles=32, max_steps=60, evaluate_every=2, patience=5, learning_rate=0.1,
            quantile_weight=0.0, hazard_weight=0.0, ema=0.0,
        ),
        seed=0,
    )  # fmt: skip
    losses_seen = [loss for _, loss in history.validation]
    assert history.best_step == 2
    assert len(losses_seen) == 1 + 5  # five evaluations without a better one, then stop
    again = evaluate(best, rows, Span(150, 300), 10, LAYOUT)
    assert float(again.direction) == pytest.approx(min(losses_seen), rel=1e-6)
    assert min(losses_seen) < losses_seen[-1]


def test_sequence_loss_when_pieces_differ_in_length_then_padding_does_not_count() -> None:
    rows = planted_rows()
    model = Constant(torch.linspace(-1, 1, LAYOUT.width))
    pieces = [(Span(0, 60), 10), (Span(200, 225), 205)]
    parts = sequence_loss(model, rows, pieces, LAYOUT)
    index = torch.tensor([*range(10, 60), *range(205, 225)])
    y = model(torch.zeros(1, len(index), 1))[0]
    expected = loss_parts(y, rows.targets.rows(index), rows.weight[index], LAYOUT)
    assert float(parts.hazard.detach()) == pytest.approx(float(expected.hazard.detach()), rel=1e-5)


@settings(max_examples=100, deadline=None)
@given(
    start=st.integers(0, 100), length=st.integers(1, 100),
    first=st.integers(0, 150), wanted=st.integers(1, 60), burn_in=st.integers(0, 30),
)  # fmt: skip
def test_clipped_runs_when_their_burn_in_is_dropped_then_only_rows_of_the_span_count(
    start: int, length: int, first: int, wanted: int, burn_in: int
) -> None:
    run, span = Span(start, start + length), Span(first, first + wanted)
    counted = [
        row
        for clipped in clip_runs([run], span, burn_in)
        for row in range(clipped.start + burn_in, clipped.stop)
    ]
    expected = [r for r in range(span.start, span.stop) if run.start + burn_in <= r < run.stop]
    assert counted == expected
