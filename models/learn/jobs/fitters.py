"""Who fits which family of architectures: the one place that knows them all.

What a family needs (XGBoost, stable-baselines3, Prophet) is imported when one of it is trained: a
network must not wait for, or fail with, libraries it does not use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from models.base.spec import ModelSpec
from models.learn.training.fitted import Fitted
from models.learn.training.prepare import Prepared

S = TypeVar("S", bound=ModelSpec)


def _network(data: Prepared) -> Fitted:
    from models.learn.nets.base import NetworkSpec
    from models.learn.training.networks import fit_network

    return fit_network(_of(NetworkSpec, data), data)


def _network_or_simpler(data: Prepared) -> Fitted:
    from models.learn.hybrid.fallback import fit_with_fallback
    from models.learn.nets.base import NetworkSpec

    return fit_with_fallback(_of(NetworkSpec, data), data)


def _trees(data: Prepared) -> Fitted:
    from models.learn.trees.fitting import fit_trees

    return fit_trees(data)


def _hybrid(data: Prepared) -> Fitted:
    from models.learn.hybrid.hybrid import fit_hybrid

    return fit_hybrid(data)


def _prophet(data: Prepared) -> Fitted:
    from models.learn.prophet.fitting import fit_decomposition

    return fit_decomposition(data)


def _agent(data: Prepared) -> Fitted:
    from models.learn.agents.base import AgentSpec
    from models.learn.agents.training import fit_agent

    return fit_agent(_of(AgentSpec, data), data)


def _gan(data: Prepared) -> Fitted:
    from models.learn.gan.fitting import fit_gan

    return fit_gan(data)


def _volatility(data: Prepared) -> Fitted:
    from models.learn.volatility.fitting import fit_volatility

    return fit_volatility(data)


FITTERS: Mapping[str, Callable[[Prepared], Fitted]] = {
    "network": _network,
    "network or simpler hazard": _network_or_simpler,
    "trees": _trees,
    "hybrid": _hybrid,
    "prophet": _prophet,
    "agent": _agent,
    "gan": _gan,
    "volatility": _volatility,
}


def fit_architecture(data: Prepared) -> Fitted:
    """Train on `data.split.train`, choose on `data.split.validation`, export.

    A fitter does not look at calibration rows and later ones, and takes all randomness from
    `data.job.seed`.
    """
    return FITTERS[data.spec.family](data)


def _of(kind: type[S], data: Prepared) -> S:
    """Return the spec of `data` as the kind its family's fitter takes."""
    assert isinstance(data.spec, kind), f"{data.spec.name} is no {kind.__name__}"
    return data.spec
