"""Freqtrade's resolvers: whether the strategy and the model a configuration names can be loaded.

A bot loads both anew at `/reload_config`, after it has ended the running one. Tried here as a run
that does not trade would load them: no state is held, nothing is sent, and what a resolver only
logs (which file, which line) is in the error.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from difflib import get_close_matches
from typing import Any, Final, cast

from freqtrade.configuration import validate_config_consistency
from freqtrade.enums import RunMode
from freqtrade.exceptions import OperationalException
from freqtrade.resolvers import StrategyResolver
from freqtrade.resolvers.iresolver import IResolver
from freqtrade.strategy import IStrategy

from strategies.seams.record import Library, Seam, lacks_method, lacks_text, problems

_LOG: Final = "freqtrade.resolvers.iresolver"


def try_loading(config: dict[str, Any], *, model: bool = True) -> IStrategy:
    """Return the strategy of a configuration as a bot would load it, and find its FreqAI model.

    Parameters
    ----------
    config
        Freqtrade's, as a bot of it would begin; it is not changed.
    model
        Whether the model is looked for: one named on the bot's command line is not in a file.

    Raises
    ------
    Exception
        Whatever kind the start of that bot would end with: a file's syntax, an import, a class
        that is not there, a parameter file, settings that the strategy refuses.
    """
    tried = {**deepcopy(config), "runmode": RunMode.OTHER}
    with _saying_why():
        strategy = StrategyResolver.load_strategy(tried)
        # As Freqtrade does once more, with what the strategy has set.
        validate_config_consistency({**tried, "runmode": config["runmode"]})
        if model and (config.get("freqai") or {}).get("enabled"):
            getattr(named_model(tried), "try_settings", _accepts)(tried)
    return strategy


def named_model(config: dict[str, Any]) -> type:
    """Return the class of the configured FreqAI model; only its file is run.

    Raises
    ------
    freqtrade.exceptions.OperationalException
        If there is none of that name; names the nearest one.
    """
    from freqtrade.resolvers.freqaimodel_resolver import FreqaiModelResolver as Models

    name = config.get("freqaimodel")
    folders = Models.build_search_paths(config, user_subdir=Models.user_subdir)
    for folder in folders:
        if folder.is_dir() and name:
            found, _ = Models._search_object(directory=folder, object_name=name)
            if found is not None:
                return cast(type, found)
    there = sorted({path.stem for folder in folders for path in folder.glob("[A-Z]*.py")})
    near = get_close_matches(str(name), there, 1)
    typed_wrong = near and name not in there  # else its file is there, and cannot be loaded
    raise OperationalException(
        f"Impossible to load FreqaiModel '{name}'"
        + (f"; did you mean '{near[0]}'?" if typed_wrong else ".")
    )


def _accepts(config: dict[str, Any]) -> None:
    """Take any settings: a model that is not the pack's says nothing of its own."""


class _Heard(logging.Handler):
    """Keeps what is warned of."""

    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        self._said.append(record.getMessage())


@contextmanager
def _saying_why() -> Iterator[None]:
    """Put what a resolver logs of a file it cannot import into the error that follows from it."""
    said: list[str] = []
    handler = _Heard(said)
    logging.getLogger(_LOG).addHandler(handler)
    try:
        yield
    except Exception as error:
        what = next(iter(str(error).splitlines()), "") or type(error).__name__
        why = "; ".join(dict.fromkeys(said))
        raise OperationalException(f"{what} ({why})" if why else what) from error
    finally:
        logging.getLogger(_LOG).removeHandler(handler)


def _probe() -> str:
    from freqtrade.freqtradebot import FreqtradeBot

    return problems(
        lacks_text(FreqtradeBot, "__init__", "StrategyResolver.load_strategy(self.config)"),
        lacks_method(IResolver, "_search_object", "directory", "object_name"),
        lacks_text(IResolver, "_get_valid_object", 'logger.warning(f"Could not import'),
        lacks_method(IResolver, "build_search_paths", "config", "user_subdir"),
    )


RESOLVERS = Seam(
    name="IResolver._search_object, its log",
    what="called, and listened to",
    why="a typing error in a strategy's or a model's file must not end a bot that looks after "
    "positions",
    since="freqtrade 2023.8",
    without="a strategy that cannot be loaded ends the bot that reloads it",
    probe=_probe,
    library=Library.EXCHANGE,
)
