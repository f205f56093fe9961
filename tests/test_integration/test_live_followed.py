"""A bot that follows another one's signals: they never enter past its own control and guards."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.operate.control.commands import Commands
from models.operate.control.state import Person
from strategies.desk.loopback.account import Customer
from tests.exchange.state import ExchangeState
from tests.test_integration.api_bot import Api
from tests.test_integration.guarded_bot import SIGMA, STRATEGY, configuration
from tests.test_integration.live_bot import running_bot
from tests.test_integration.running import write_strategy
from tests.test_integration.told_bot import quick

ANN = Person("ann", "command line")
TOKEN = "loopback-token-of-the-producer"

FOLLOWER = STRATEGY.replace("GuardedSignals", "FollowedSignals").replace(
    "        return dataframe.assign(enter_long=1)\n",
    """        theirs, _ = self.dp.get_producer_df(metadata["pair"])
        said = 0 if theirs.empty else int(theirs["enter_long"].iloc[-1])
        logger.info("the producer says %d", said)
        return dataframe.assign(enter_long=said)
""",
).replace(
    "from freqtrade.persistence import Trade\n",
    'import logging\n\nfrom freqtrade.persistence import Trade\n\n'
    'logger = logging.getLogger("freqtrade.test")\n',
)  # fmt: skip


@pytest.mark.slow
def test_live_consumer_when_a_producer_signals_then_halted_it_opens_nothing_else_within_limits(
    tmp_path: Path, url: str, account: Customer, state: ExchangeState
) -> None:
    rest = Api.somewhere()
    served = {**configuration(url), **rest.settings(), "dry_run": True, "dry_run_wallet": 1_000_000}
    served["api_server"]["ws_token"] = TOKEN
    producer = {"name": "default", "host": "127.0.0.1", "port": rest.port, "ws_token": TOKEN}
    followed = {
        **configuration(url),
        "external_message_consumer": {"enabled": True, "producers": [producer]},
    }
    for name in ("producer", "consumer"):
        (tmp_path / name).mkdir()
    desk = Commands(tmp_path / "consumer" / "user_data")
    desk.halt(ANN, "nothing is followed")
    with running_bot(
        tmp_path / "producer", quick(served), *write_strategy(tmp_path / "producer", STRATEGY)
    ) as theirs:
        theirs.wait_for(rest.answers, "the producer's server")
        theirs.wait_for(theirs.trades, "the producer's own entry, in its dry run")
        assert account.orders == {}
        with running_bot(
            tmp_path / "consumer", quick(followed),
            *write_strategy(tmp_path / "consumer", FOLLOWER),
        ) as bot:  # fmt: skip
            bot.wait_for(lambda: "the producer says 1" in bot.log(), "the producer's signal")
            bot.wait_for(lambda: desk.journal.entries(kind="entry.refused"), "it refused")
            (refused, *_) = desk.journal.entries(kind="entry.refused")
            assert "control is HALTED: nothing is followed" in refused.record["rules"][-1]
            assert account.orders == {}
            desk.resume(ANN)
            bot.wait_for(lambda: account.open_algos(), "an entry and its stop")
            held = float(account.position("BTCUSDT").amount)
            # By its own rule of risk: 2 % of its own equity at a stop of 3 sigmas.
            assert held * 60_000 / 10_000 == pytest.approx(0.02 / (3 * SIGMA), rel=0.02)
            assert [float(a.quantity) for a in account.open_algos()] == [held]
