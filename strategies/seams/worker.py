"""Freqtrade's worker: the state it is in, and the configuration it would reload.

`/reload_config` ends the running bot before it reads the new configuration: one that cannot be read
leaves no bot at all, nor does a strategy that cannot be loaded. The worker's loop is replaced on
its class by one that notes the worker, and the command by one that tries both first. The reload
itself is told of: it is silent for as long as an exchange takes to list its markets.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final, TypeAlias

from freqtrade.configuration import Configuration, validate_config_consistency
from freqtrade.enums import State
from freqtrade.rpc import RPC, RPCException
from freqtrade.strategy import IStrategy
from freqtrade.worker import Worker

from strategies.seams.record import Library, Seam, lacks_attributes, lacks_method, lacks_text
from strategies.seams.record import problems as problems_of
from strategies.seams.resolvers import try_loading

logger = logging.getLogger(__name__)

CheckConfig: TypeAlias = Callable[[dict[str, Any]], None]
JudgeStrategy: TypeAlias = Callable[[dict[str, Any], IStrategy], None]

_WORKER, _RECONFIGURE = Worker._worker, Worker._reconfigure
_RELOAD = RPC._rpc_reload_config

# Of this process, at most one each.
_workers: Final[list[Worker]] = []
_checks: Final[list[CheckConfig]] = []
_judges: Final[list[JudgeStrategy]] = []
_begun: Final[list[Callable[[], None]]] = []
_each_loop: Final[list[Callable[[], None]]] = []


def try_before_reloading(
    check: CheckConfig, judge: JudgeStrategy, begun: Callable[[], None]
) -> None:
    """Reload no configuration that cannot be read or loaded, or at which `check` or `judge` raises.

    Parameters
    ----------
    check
        Is given the configuration as it would be used; it must change nothing.
    judge
        Is given it together with its strategy, loaded to be looked at.
    begun
        Is called in the bot's own thread when a reload begins.
    """
    _checks[:], _judges[:], _begun[:] = [check], [judge], [begun]
    Worker._worker, Worker._reconfigure = _worker, _reconfigure
    RPC._rpc_reload_config = _rpc_reload_config


def before_each_loop(act: Callable[[], None]) -> None:
    """Call `act` before each loop of the bot, also of one that is stopped; what it raises ends it.

    In the place of an earlier one.
    """
    _each_loop[:] = [act]
    Worker._worker = _worker


def is_paused() -> bool:
    """Whether a person has told Freqtrade to open nothing; False where no worker runs."""
    return any(worker.freqtrade.state == State.PAUSED for worker in _workers)


def _worker(worker: Worker, old_state: State | None) -> State:
    _workers[:] = [worker]
    for act in _each_loop:
        act()
    return _WORKER(worker, old_state)


def _reconfigure(worker: Worker) -> None:
    for begun in _begun:
        try:
            begun()
        except Exception:  # of any kind: it is a word to the watchdog and no more
            logger.exception("that a configuration is reloaded cannot be noted")
    _RECONFIGURE(worker)


def _rpc_reload_config(rpc: RPC) -> dict[str, str]:
    try:
        for worker in _workers:
            config = Configuration(worker._args, None).get_config()
            # What a strategy brings, as the timeframe, is in the running one only.
            validate_config_consistency(deepcopy({**worker.freqtrade.config, **config}))
            for check in _checks:
                check(config)
            strategy = try_loading(config)
            for judge in _judges:
                judge(config, strategy)
    except Exception as error:
        # The first line only: the others may repeat the file, with whatever is secret in it.
        what = next(iter(str(error).splitlines()), type(error).__name__)
        raise RPCException(
            f"Not reloaded, the bot goes on with the settings it has: {what}"
        ) from error
    answer: dict[str, str] = _RELOAD(rpc)
    return answer


def _probe() -> str:
    return problems_of(
        lacks_attributes(Worker, "_args"),
        lacks_attributes(Worker, "freqtrade", set_in="_init"),
        lacks_method(Worker, "_worker", "old_state"),
        lacks_text(Worker, "run", "self._worker(old_state="),
        lacks_text(Worker, "_init", "Configuration(self._args, None).get_config()"),
        lacks_method(Worker, "_reconfigure"),
        lacks_text(Worker, "run", "self._reconfigure()"),
        lacks_method(RPC, "_rpc_reload_config"),
    )


WORKER = Seam(
    name="Worker._worker, _reconfigure, _args, RPC._rpc_reload_config",
    what="replaced on their classes, and read",
    why="a typing error in a configuration must not end a bot that looks after positions",
    since="freqtrade 2021.4",
    without="a configuration that cannot be read ends the bot that reloads it, and a paused bot "
    "says that it trades",
    probe=_probe,
    library=Library.EXCHANGE,
)
