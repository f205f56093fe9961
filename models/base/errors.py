"""The pack's errors: what was expected, what came, where, and the cure."""

from __future__ import annotations


class PackError(Exception):
    """Base of every error the pack raises on purpose.

    Parameters
    ----------
    problem
        One sentence naming what was expected and what came.
    where
        File, column, row or timestamp the problem was found at.
    cure
        What the user does about it.

    Examples
    --------
    >>> print(ConfigError("expected leverage <= 5, got 20", where="limits", cure="lower it"))
    expected leverage <= 5, got 20
      where: limits
      cure:  lower it
    """

    def __init__(self, problem: str, *, where: str = "", cure: str = "") -> None:
        self.problem, self.where, self.cure = problem, where, cure
        lines = [problem]
        if where:
            lines.append(f"  where: {where}")
        if cure:
            lines.append(f"  cure:  {cure}")
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments survive the trip back from a training worker.
        return (_rebuild, (type(self), self.problem, self.where, self.cure))


def _rebuild(kind: type[PackError], problem: str, where: str, cure: str) -> PackError:
    return kind(problem, where=where, cure=cure)


class ConfigError(PackError):
    """A setting is unknown, missing or outside its range."""


class InputError(PackError):
    """Data handed in is missing, malformed, unsorted, gappy or non-finite."""


class NoForecastError(PackError):
    """No fresh forecast the model trusts: a reason to refuse new risk, not a fault."""


class AlignmentError(PackError):
    """Rows, names or times that must line up do not."""


class ArtifactError(PackError):
    """A model artifact is corrupt, foreign, from another version, or failed its own checks."""


class TrainingError(PackError):
    """A training job failed or its worker died; the message says which and why."""


class ControlError(PackError):
    """A control command or state change was refused."""
