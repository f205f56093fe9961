"""The words of the hedge: what a person may say, what it would do, and who sets it now."""

from __future__ import annotations

from models.base.errors import ControlError
from models.operate.control.state import ControlState, checked_ratio


def hedge_meaning(word: str) -> str:
    """Return what `Commands.hedge` would do for this word, to ask before doing it.

    Raises
    ------
    ControlError
        If it would refuse the word.

    Examples
    --------
    >>> hedge_meaning("0.4")
    'hold the hedge at 40%'
    """
    if word == "freeze":
        return "leave the hedge as it is"
    if word == "release":
        return "let the model choose the hedge"
    return f"hold the hedge at {asked_ratio(word):.0%}"


def asked_ratio(word: str) -> float:
    try:
        return checked_ratio(float(word))
    except ValueError:
        raise ControlError(
            f"expected a hedge ratio from 0 to 1, freeze or release, got {word!r}"
        ) from None


def hedge_text(state: ControlState) -> str:
    """Return who sets the hedge, as long as the bot may move it.

    Examples
    --------
    >>> hedge_text(ControlState())
    "hedge: the model's"
    """
    hedge = state.hedge
    if hedge is None:
        said = "hedge: the model's"
    else:
        held = "frozen as it is" if hedge.ratio is None else f"held at {hedge.ratio:.0%}"
        said = f"hedge: {held}, by {hedge.by}"
    return said if state.may_add_risk else f"{said}; its legs stay as they are while {state.mode}"
