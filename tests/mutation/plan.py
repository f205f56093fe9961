"""Which modules mistakes are planted in, and which tests have to notice them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tests.places import ROOT


@dataclass(frozen=True)
class Room:
    """Modules whose mistakes the same tests have to notice.

    Attributes
    ----------
    modules
        Dotted names; of a room's name that ends in `.*` every module in its folder.
    own
        Test files, or folders of them, that meet every mutant; `{}` stands for the module's name.
    more
        Those that meet what `own` let live.
    quick
        Whether its tests take a few seconds: a sample of its mutants is run each time.
    """

    modules: tuple[str, ...]
    own: tuple[str, ...]
    more: tuple[str, ...] = ()
    quick: bool = True

    def names(self) -> list[str]:
        """Return the dotted names of its modules."""
        out: list[str] = []
        for name in self.modules:
            if not name.endswith(".*"):
                out.append(name)
                continue
            folder = ROOT.joinpath(*name.removesuffix(".*").split("."))
            files = (p for p in sorted(folder.glob("*.py")) if p.stem != "__init__")
            out += [name.replace("*", path.stem) for path in files]
        return out


_RISK: Final = "tests/test_models/trade/risk"
_GUARDS: Final = (
    f"{_RISK}/test_guards.py", f"{_RISK}/test_limits.py", f"{_RISK}/test_losses.py",
    f"{_RISK}/test_after_trade.py", f"{_RISK}/test_second_source.py",
)  # fmt: skip
_ACCOUNT: Final = "tests/test_strategies/account"
_BOT: Final = "tests/test_strategies/bot"
_BUNDLES: Final = "tests/test_strategies/desk/bundles"
_CONTROL: Final = "tests/test_models/operate/control"
_WATCH: Final = "tests/test_strategies/desk/watch"


def _risk(own: str, *modules: str) -> Room:
    return Room(tuple(f"models.trade.risk.{m}" for m in modules), (f"{_RISK}/{own}.py",), _GUARDS)


ROOMS: Final[dict[str, tuple[Room, ...]]] = {
    "risk": (
        _risk("test_guards", "verdict", "need", "orders", "exposure", "margin", "market", "model",
              "oversight", "run"),
        _risk("test_limits", "limits"),
        _risk("test_losses", "losses"),
        _risk("test_after_trade", "reduction", "reconciliation"),
        _risk("test_second_source", "second_source"),
    ),
    "gap": (
        Room(("models.trade.risk.gap", "models.trade.risk.worst_hours"),
             (f"{_RISK}/test_worst_hours.py", f"{_RISK}/test_gap.py"), _GUARDS),
        _risk("test_worst_day", "worst_day"),
    ),
    "decision": (Room(("models.trade.decision.*",), ("tests/test_models/trade/decision",)),),
    "account": (
        Room(("models.trade.account.cross", "models.trade.account.records",
              "models.trade.account.distance"),
             ("tests/test_models/trade/account/test_cross.py",),
             ("tests/test_models/trade/account",)),
        Room(("models.trade.account.tiers",), ("tests/test_models/trade/account/test_tiers.py",),
             ("tests/test_models/trade/account",)),
        Room(("models.trade.account.first_passage",),
             ("tests/test_models/trade/account/test_first_passage.py",)),
        Room(("models.trade.account.audit", "models.trade.account.checks",
              "models.trade.account.ledger"),
             ("tests/test_models/trade/account/test_audit.py",),
             ("tests/test_models/trade/account",)),
    ),
    "labels": (Room(("models.data.labels.*",), ("tests/test_models/data/labels",)),),
    "calibration": (
        Room(("models.learn.calibration",), ("tests/test_models/learn/test_calibration.py",)),
    ),
    "equity": (
        Room(("models.evaluate.metrics.equity",), ("tests/test_models/evaluate/metrics",)),
    ),
    "watch": (
        Room(("models.operate.control.watch",),
             (f"{_CONTROL}/test_watch.py",),
             (f"{_WATCH}/test_watchdog.py", f"{_WATCH}/test_flattening.py",
              f"{_WATCH}/test_process.py")),
    ),
    "state": (
        Room(tuple(f"models.operate.control.{m}" for m in ("state_file", "state", "store")),
             (f"{_CONTROL}/test_state_file.py", f"{_CONTROL}/test_state.py",
              f"{_CONTROL}/test_store.py"),
             (f"{_CONTROL}/test_commands.py", f"{_CONTROL}/test_news.py")),
    ),
    "owner": (
        Room(("models.operate.control.lease",),
             (f"{_CONTROL}/test_lease.py",),
             (f"{_CONTROL}/test_owner.py",), quick=False),
        Room(("models.operate.control.owner", "models.operate.control.home"),
             (f"{_CONTROL}/test_owner.py",),
             ("tests/test_strategies/desk/test_claim.py",), quick=False),
        Room(("strategies.account.identity", "strategies.account.trades_database"),
             ("tests/test_strategies/account/test_identity.py",
              "tests/test_strategies/account/test_trades_database.py"), quick=False),
    ),
    "watchdog": (
        Room(tuple(f"strategies.desk.watch.{m}" for m in (
                 "act", "ban", "look", "telling", "unseen", "clocks", "watchdog", "venue")),
             (f"{_WATCH}/test_look.py", f"{_WATCH}/test_unseen.py", f"{_WATCH}/test_stopped.py",
              f"{_WATCH}/test_isolation.py"),
             (f"{_WATCH}/test_watchdog.py", f"{_WATCH}/test_flattening.py",
              f"{_WATCH}/test_closing.py", f"{_WATCH}/test_fuzz.py"), quick=False),
        Room(("strategies.desk.watch.process", "strategies.desk.watch.alerts"),
             (f"{_WATCH}/test_process.py", f"{_WATCH}/test_alerts.py"), quick=False),
        Room(("strategies.desk.watch.supervise", "strategies.desk.watch.pulse"),
             (f"{_WATCH}/test_supervise.py",), quick=False),
        Room(("strategies.desk.watch.deadline", "strategies.desk.watch.unhurried"),
             (f"{_WATCH}/test_deadline.py", f"{_WATCH}/test_unhurried.py"), quick=False),
    ),
    "gate": (
        Room(("strategies.guard.permits",), ("tests/test_strategies/guard/test_permits.py",),
             ("tests/test_strategies/guard/test_gate.py",)),
        Room(("strategies.guard.gate",),
             ("tests/test_strategies/guard/test_gate.py",
              "tests/test_strategies/guard/test_gate_clients.py",
              "tests/test_strategies/guard/test_quotes.py"),
             ("tests/test_strategies/bot/test_gated.py",)),
        Room(("strategies.seams.order_requests",),
             ("tests/test_strategies/guard/test_gate_clients.py",),
             ("tests/test_strategies/seams/test_probes.py",), quick=False),
        Room(("strategies.bot.gated",),
             ("tests/test_strategies/bot/test_gated.py",
              "tests/test_strategies/bot/test_quoting.py"),
             ("tests/test_strategies/bot/test_kept_hooks.py",), quick=False),
        Room(("strategies.bot.hooks",), ("tests/test_strategies/bot/test_kept_hooks.py",),
             ("tests/test_strategies/bot/test_gated.py",), quick=False),
    ),
    "guard": (
        Room(tuple(f"strategies.guard.{m}" for m in (  # the rest is the room "gate"
                 "adoption", "causes", "clock_watch", "consequences", "entries", "guarding", "host",
                 "known", "loss_book", "readings", "reconciling", "recovery", "second_source",
                 "standing", "unknowns")),
             ("tests/test_strategies/guard",),
             ("tests/test_strategies/human/test_control.py",
              "tests/test_strategies/bot/test_forecast.py"), quick=False),
    ),
    "choose": (Room(("models.studies.choose.*",), ("tests/test_models/studies/choose",)),),
    "answer": (
        Room(("models.operate.control.entry_answer",), (f"{_CONTROL}/test_entry_answer.py",),
             ("tests/test_strategies/desk/test_control_desk.py",)),
        Room(("strategies.bot.answering",), (f"{_BOT}/test_answering.py",),
             (f"{_BOT}/test_forecast.py",), quick=False),
    ),
    "bundles": (
        Room(tuple(f"strategies.desk.bundles.{m}" for m in ("contents", "keys", "fit", "install")),
             (_BUNDLES,), quick=False),
    ),
    "trades": (  # on a server: what has none leaves those tests out, and they catch nothing
        Room(("strategies.account.trades_lock", "strategies.account.trades_server"),
             (f"{_ACCOUNT}/test_trades_lock.py", f"{_ACCOUNT}/test_trades_server.py"),
             quick=False),
    ),
}  # fmt: skip
