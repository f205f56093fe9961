"""What strategy and model say to people, which Freqtrade passes on as it is.

To Telegram, to webhooks and to whoever listens at its API: words of an error among them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from freqtrade.data.dataprovider import DataProvider

from strategies.seams.record import Library, Seam, lacks_method


def clean_messages(dp: DataProvider, clean: Callable[[str], str]) -> None:
    """Have each message pass `clean` before it is sent."""
    send = dp.send_msg

    @functools.wraps(send)
    def send_clean(message: str, **how: bool) -> None:
        send(clean(message), **how)

    dp.send_msg = send_clean


def _probe() -> str:
    return lacks_method(DataProvider, "send_msg", "message", "always_send")


STRATEGY_MESSAGES = Seam(
    name="DataProvider.send_msg",
    what="replaced on the object",
    why="no secret goes to people with the words of an error",
    since="freqtrade 2022.9",
    without="a message of the strategy may repeat an error's words as they came",
    probe=_probe,
    library=Library.EXCHANGE,
)
