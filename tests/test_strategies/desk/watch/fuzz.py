"""Answers and files broken at random: ``python -m tests.test_strategies.desk.watch.fuzz 100000``.

In each turn a bot is dead, two positions are bare, and one thing is broken: the other symbol's part
of an answer, a whole answer, or one of the bot's files. The watchdog must not end, the healthy
symbol must be stopped, and a part that is broken for long must be said.
"""

from __future__ import annotations

import copy
import json
import logging
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from models.operate.control.heartbeat import FILE
from models.operate.control.state import ControlState, to_bytes
from tests.test_strategies.desk.watch.scripted import ScriptedWorld, healthy

_JUNK: Final[tuple[Any, ...]] = (
    None, "", "x", "nan", "-inf", "1e999", "0", "-1", -1, 0, 1e308, 10**40, True, [], {}, [[]],
    [None], {"a": {}}, "<html>502</html>", "\ud800", "9" * 400, 1.5,
)  # fmt: skip
_OTHER: Final = ("openOrders ETHUSDT", "openAlgoOrders ETHUSDT")
_WHOLE: Final = ("account", "balance", "time", "24hr ETHUSDT", *_OTHER)
_BLINDING: Final = ("positionRisk", "exchangeInfo", "openOrders BTCUSDT", "openAlgoOrders BTCUSDT")
# Made anew each time: an exception raised again holds every frame it has ever passed through.
_ERRORS: Final[tuple[type[Exception], ...]] = (
    KeyError, TypeError, ValueError, AttributeError, RecursionError, MemoryError, OSError,
    AssertionError, ZeroDivisionError, StopIteration, UnicodeError,
)  # fmt: skip

_TURNS_IN_A_FOLDER: Final = 30  # each watchdog reads the whole journal when it starts

Places = list[tuple[Any, Any]]  # a container and a key in it


def _junk(chance: random.Random) -> Any:
    return copy.deepcopy(chance.choice(_JUNK))  # broken again, one list in many places is no answer


def _places(node: Any, found: Places) -> Places:
    keys = node.keys() if isinstance(node, dict) else range(len(node))
    for key in list(keys):
        found.append((node, key))
        if isinstance(node[key], (dict, list)):
            _places(node[key], found)
    return found


def _mutate(node: Any, chance: random.Random) -> None:
    """Break one to three places in a dict or list."""
    for _ in range(chance.randint(1, 3)):
        places = _places(node, [])
        if not places:
            return
        inside, key = chance.choice(places)
        how = chance.random()
        if how < 0.2 and isinstance(inside, dict):
            del inside[key]
        elif how < 0.3 and isinstance(inside, list):
            inside.insert(key, _junk(chance))
        else:
            inside[key] = _junk(chance)


def _cut(text: str, chance: random.Random) -> str:
    return text[: chance.randrange(len(text) + 1)]


def _broken(value: Any, chance: random.Random) -> Any:
    """Return a whole answer in a broken form."""
    return chance.choice(
        [lambda: _junk(chance), lambda: _cut(json.dumps(value), chance),
         lambda: chance.choice(_ERRORS)("x"), lambda: [_junk(chance) for _ in range(3)]]
    )()  # fmt: skip


def break_other_symbol(world: ScriptedWorld, chance: random.Random) -> None:
    """Break what concerns ETH, or nobody's protection."""
    answers, what = world.account.answers, chance.randrange(4)
    if what == 0:
        _mutate(answers["positionRisk"][1], chance)
    elif what == 1:
        answers["positionRisk"][1] = _junk(chance)
    elif what == 2:
        _mutate(answers["exchangeInfo"]["symbols"][1], chance)
    else:
        name = chance.choice(_WHOLE)
        answers[name] = _broken(answers.get(name, []), chance)


def break_answer(world: ScriptedWorld, chance: random.Random) -> None:
    """Break any answer, the healthy symbol's as well: only an exit is a fault then."""
    name = chance.choice(_BLINDING)
    if chance.random() < 0.5:
        world.account.answers[name] = _broken(world.account.answers[name], chance)
    else:
        _mutate(world.account.answers, chance)


def break_file(world: ScriptedWorld, chance: random.Random) -> None:
    """Break heartbeat or control state."""
    name = chance.choice((FILE, "state.json"))
    whole = (world.folder / FILE).read_bytes() if name == FILE else to_bytes(ControlState())
    values = json.loads(whole)
    how = chance.randrange(3)
    if how == 0:
        _mutate(values, chance)
        world.write(name, json.dumps(values).encode("utf-8", "surrogatepass"))
    elif how == 1:
        world.write(name, _cut(whole.decode(), chance).encode())
    else:
        world.write(name, bytes(chance.randrange(256) for _ in range(chance.randrange(200))))


_KINDS: Final[tuple[tuple[Callable[[ScriptedWorld, random.Random], None], bool], ...]] = (
    (break_other_symbol, True), (break_file, True), (break_answer, False),
)  # fmt: skip


def turn(world: ScriptedWorld, seed: int) -> str:
    """Break one thing, look once, then look again with everything mended; return a fault or ''."""
    chance = random.Random(seed)
    world.account.answers, world.said = healthy(), []
    world.account.orders.clear()
    world.dead_bot()
    world.write("state.json", to_bytes(ControlState()))
    break_it, protects = _KINDS[seed % len(_KINDS)]
    break_it(world, chance)
    if world.account.answers.get("exchangeInfo") != healthy()["exchangeInfo"]:
        world.account.forget()
    # A heartbeat may have been broken into one of a bot that lives, or that a person has stopped.
    dog = world.watchdog(unprotected_s=0.0)
    try:
        dog.round()
    except BaseException as error:  # noqa: BLE001 - of any kind: it is the fault looked for
        return f"{seed}: ended with {error!r:.200}"
    if protects and not world.account.stopped("BTCUSDT"):
        return f"{seed}: the healthy symbol was not stopped; {world.said}"
    if protects:
        return ""
    world.account.answers = healthy()
    world.account.forget()
    world.account.orders.clear()
    dog.round()
    if not world.account.stopped("BTCUSDT"):
        return f"{seed}: not stopped once all was mended; {world.said}"
    return ""


def fuzz(turns: int, begin: int = 0) -> list[str]:
    """Return the faults found in `turns` turns, one seed each."""
    logging.disable(logging.CRITICAL)
    faults = []
    for first in range(begin, begin + turns, _TURNS_IN_A_FOLDER):
        with tempfile.TemporaryDirectory() as folder:
            world = ScriptedWorld(Path(folder))
            seeds = range(first, min(first + _TURNS_IN_A_FOLDER, begin + turns))
            faults += [fault for seed in seeds if (fault := turn(world, seed))]
    logging.disable(logging.NOTSET)
    return faults


def main() -> None:
    turns, begin = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    faults = fuzz(turns, begin)
    kinds = Counter(fault.partition(": ")[2].partition(";")[0] for fault in faults)
    print(f"{turns} turns, {len(faults)} faults")  # noqa: T201
    print("\n".join([*faults[:20], *map(str, kinds.most_common(10))]))  # noqa: T201
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
