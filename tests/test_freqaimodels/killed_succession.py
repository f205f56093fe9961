"""A bot killed at each point at which it touches the disk, while a model takes over or goes back.

python -m tests.test_freqaimodels.killed_succession FOLDER

Says of each point how the killed bot ended, and who serves, who is refused and whether the journal
is whole once the bot has run on.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from tests.killed_at import killed_at
from tests.mutation.forks import fork_and_wait
from tests.test_freqaimodels.bots import Bot
from tests.test_freqaimodels.succeeding import (
    ANN,
    CALM_DAYS,
    SHADOW_DAYS,
    begun,
    book,
    desk,
    passed,
    policy_of_days,
    serving,
)

MOST_POINTS = 200


def _in_a_fork(work: Callable[[], int]) -> int:
    code = fork_and_wait(120)
    if code is not None:
        return code
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - the fork ends with it
    os._exit(work())


def before_takeover(folder: Path) -> int:
    """Leave a bot whose second model is judged at the next candle; return that hour."""
    bot = serving(folder)
    passed(bot, (CALM_DAYS + SHADOW_DAYS) * 24 - 12)
    for _ in range(20):
        kept = folder.with_name("kept")
        shutil.copytree(folder, kept)
        hour = bot.provider.hours
        passed(bot, 1)
        if book(bot).shadow is None:
            shutil.rmtree(folder)
            kept.rename(folder)
            return hour
        shutil.rmtree(kept)
    raise AssertionError("nobody was judged")


def takes_over(bot: Bot) -> None:
    passed(bot, 1)


def goes_back(bot: Bot) -> None:
    bot.candle()
    bot.model.catch_up()


def every_point(
    kind: str, before: Path, hour: int, act: Callable[[Bot], None], *, warm: int
) -> None:
    """Kill a bot at each point of `act`, run it on, and say what became of it.

    `warm` are the hours it runs before: its first answer is of the candles it has found.
    """
    torn = before.with_name("torn")
    for point in range(MOST_POINTS):
        shutil.copytree(before, torn)

        def until_killed(point: int = point) -> int:
            bot = begun(torn, hour - warm)
            passed(bot, warm)
            killed_at(
                point, opened=os.O_TRUNC | os.O_APPEND, also=("mkdir", "fsync", "replace", "unlink")
            )
            act(bot)
            return 0

        ended = _in_a_fork(until_killed)
        bot = begun(torn, hour + 1)
        goes_back(bot)
        takes_over(bot)
        found = book(bot)
        refused = [one.generation.title for one in found.quarantined]
        told = [kind, ended, bot.served(), found.serving and found.serving.number, refused]
        fault = desk(bot).journal.verify().fault
        sys.stdout.write(json.dumps([*told, fault]) + "\n")
        sys.stdout.flush()
        shutil.rmtree(torn)
        if ended == 0:
            return
    raise AssertionError(f"more than {MOST_POINTS} touches of the disk")


def main(folder: Path) -> None:
    """Kill at every point of both."""
    before = folder / "before"
    with policy_of_days():
        hour = before_takeover(before)
        every_point("takeover", before, hour, takes_over, warm=1)
        bot = begun(before, hour - 1)
        passed(bot, 2)
        desk(bot).rollback(ANN)
        every_point("rollback", before, hour + 1, goes_back, warm=0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
