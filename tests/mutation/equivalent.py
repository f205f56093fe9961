"""Mutants no test can catch because they do the same, each with the reason."""

from __future__ import annotations

from typing import Final

_SIDE: Final = "a side is +1 or -1; `sound_order` refuses any other"
_SIDE_SIGN: Final = "of a side only the sign is read"
_GAP: Final = "models.trade.risk.gap"

_ENTERS: Final = (
    "exactly at false_alarms_per_week the exit takes the entry back, whichever way the veto decides"
)
_SIGNALS: Final = "models.trade.decision.signals"

_CALIBRATION: Final = "models.learn.calibration"
_FLOOR: Final = (
    "a row under the floor adds a constant to the loss, whose size moves no minimum of it"
)
_CHAIN: Final = "by the chain rule the slope's minimum is the same wherever that of moving stands"
_PEAK: Final = "the likelihood is concave: from wherever the search begins it ends at the one peak"
_STOP: Final = (
    "Newton's steps square their error: one near 10^-8 is the last that counts, and the next, "
    "which this takes or leaves, is near 10^-16"
)
_CASCADE: Final = "models.data.labels.cascade"
_EPISODES: Final = "models.data.labels.episodes"
_SIDES: Final = "a side is +1 or -1; `cascade_hits` refuses any other"

_HELD: Final = "a position of 0 is none; the venue reports none"
_WATCH: Final = "models.operate.control.watch"
_STATE_FILE: Final = "models.operate.control.state_file"
_STATE: Final = "models.operate.control.state"
_COUNTS_ANYWAY: Final = "a file of any length halts; only words behind the first thousand are cut"
_IN_1970: Final = "every state that is made says when; one that stands in for it was never armed"
_LEASE: Final = "models.operate.control.lease"
_OWNER: Final = "models.operate.control.owner"
_WAIT: Final = "how long it is waited for another process, not what is found then"
_WATCHDOG: Final = "strategies.desk.watch.act"
_CROSS: Final = "models.trade.account.cross"
_DISTANCE: Final = "models.trade.account.distance"
_PASSAGE: Final = "models.trade.account.first_passage"
_AUDIT: Final = "models.trade.account.audit"
_LEDGER: Final = "models.trade.account.ledger"
_SIGN: Final = "a side is +1 or -1, and never 0"
_BEYOND: Final = (
    "from 1 on the longs are gone and the rest is solved anew without them: a step on the way "
    "there only has to lead there"
)
_TRAILING: Final = "one row more, of zeros, behind those that are read; the last sum is the same"
_TRAILING_ROW: Final = "one row more, without a candle, behind those that are read"
_NEVER_READ: Final = "the entry of a position of 0 is never read"
_FILLED: Final = "a fill's amount is never 0; of nothing held nothing is closed"
_NOT_YET: Final = "the first sign, which is never the same as none, sets it before it is read"
_CAUSES: Final = "strategies.guard.causes"
_READINGS: Final = "strategies.guard.readings"
_RECONCILING: Final = "strategies.guard.reconciling"
_NO_RESUMPTION: Final = "nobody has resumed within a moment of 1970"
_STARTED: Final = "the turn that looks at fills has set when it started before"
_WHOLE_STEPS: Final = (
    "amounts are whole steps of the exchange: they are the same to rounding, or off by far more"
)
_WITH_A_PAIR: Final = "a rate is read only with a pair, and whoever names a pair names its rate"
_SEEN_BEFORE: Final = "what has been looked at before is left out where the rest is looked at"
_A_NAME: Final = "a message's number is its name: it has to differ from the others', and no more"
_UNREAD: Final = "without a day nobody reads the worst one's row"
_INSTALL: Final = "strategies.desk.bundles.install"
_BY_NAME: Final = "the order in the file is for the eye: FreqAI reads by name"
_EQUITY: Final = "models.evaluate.metrics.equity"

EQUIVALENT: Final[dict[tuple[str, str], str]] = {
    ("models.trade.decision.execution", "quote_at: side > 0 -> side >= 0"): (
        "a side is +1 to buy or -1 to sell, never 0"
    ),
    (
        "models.trade.decision.entry_stop",
        "_no_edge: 10000.0 * row[columns.EDGE_LOW] * sign -> "
        "10000.0 * row[columns.EDGE_LOW] / sign",
    ): "`_leader` says +1 or -1, and of those product and quotient are the same",
    ("models.trade.decision.execution", "moved_quote: away > 0 -> away >= 0"): (
        "at 0 the best price is the one it rests at"
    ),
    ("models.trade.risk.verdict", "limited: limit_quote > 0 -> limit_quote >= 0"): (
        "at 0 both branches give 0"
    ),
    ("models.trade.risk.losses", "observe_equity: 0.0 -> 1.0"): (
        "the start of a day without money is a tiny number, whichever: any loss of it is total"
    ),
    (_GAP, "worst_loss_quote: 1 -> 2"): _SIDE_SIGN,
    (_GAP, "worst_loss_quote: 1 -> 2 #2"): _SIDE_SIGN,
    (_GAP, "gap_loss_quote: p.amount_base * side > 0 -> p.amount_base * side >= 0"): (
        "a position of 0 costs 0, and an account of Freqtrade's trades has none"
    ),
    (_GAP, "gap_loss_quote: p.amount_base * side -> p.amount_base / side"): _SIDE,
    (_GAP, "gap_loss_quote: side > 0 -> side >= 0"): _SIDE,
    (
        "models.trade.risk.worst_hours",
        "daily_moves: time_ms - time_ms[0] -> time_ms + time_ms[0]",
    ): "the same grid behind rows that hold no candle",
    ("models.trade.risk.worst_hours", "daily_moves: 2 -> 3 #2"): _TRAILING_ROW,
    (
        "models.trade.risk.worst_day",
        "WorstDayRule.worst_day_bearable: self.side > 0 -> self.side >= 0",
    ): _SIDE,
    ("models.trade.risk.worst_hours", "WorstMove.against: side > 0 -> side >= 0"): _SIDE,
    ("models.trade.risk.margin", "_LOST: 1e-09 -> 1.5000000000000002e-09"): (
        "so little of a price is nothing, whichever"
    ),
    ("models.trade.risk.margin", "_survivor: p.amount_base > 0 -> p.amount_base >= 0"): _HELD,
    ("models.trade.risk.exposure", "net_within: side > 0 -> side >= 0"): _SIDE,
    ("models.trade.risk.margin", "_survivor: order.side > 0 -> order.side >= 0"): _SIDE,
    (
        "models.trade.risk.margin",
        "_moved: side > 0 -> side >= 0",
    ): "a position of 0 is worth 0 either way",
    (
        "models.trade.risk.margin",
        "_HALVINGS: 30 -> 31",
    ): "one halving more than a part in 10^9 changes no order",
    ("models.trade.risk.reconciliation", "differences: max -> min"): (
        "of two amounts that agree to a millionth, which one is taken changes the millionth's "
        "millionth; of two that do not, neither bound is near"
    ),
    (
        "models.trade.risk.run",
        "_size: 0 < asked < math.inf -> 0 <= asked < math.inf",
    ): "a size of 0 is 0 either way",
    (
        _SIGNALS,
        "signals: false_long > config.false_alarms_per_week -> "
        "false_long >= config.false_alarms_per_week",
    ): _ENTERS,
    (
        _SIGNALS,
        "signals: false_short > config.false_alarms_per_week -> "
        "false_short >= config.false_alarms_per_week",
    ): _ENTERS,
    (_CALIBRATION, "fit_temperature.log_loss: 1e-12 -> 1.5e-12"): _FLOOR,
    (_CALIBRATION, "fit_direction_slope.log_loss: 1e-12 -> 1.5e-12"): _FLOOR,
    (_CALIBRATION, "fit_direction_slope.log_loss: 0.0 -> 1.0"): _CHAIN,
    (_CALIBRATION, "module: 100 -> 101"): (
        "Newton's search arrives in some ten steps or never; this bounds one that does not"
    ),
    (_CALIBRATION, "module: 1e-09 -> 1.5000000000000002e-09"): (
        "far above a sum's rounding and far below what a step that overshoots loses"
    ),
    (_CALIBRATION, "fit_hazard_scale: 0.0 -> 1.0"): _PEAK,
    (_CALIBRATION, "fit_hazard_scale: 1.0 -> 1.5 #2"): _PEAK,
    (
        _CALIBRATION,
        "fit_hazard_scale: likelihood(at + step) < before - _ROUNDING * abs(before) -> "
        "likelihood(at + step) <= before - _ROUNDING * abs(before)",
    ): "no step lowers the likelihood by exactly the rounding that is let pass",
    (_CALIBRATION, "fit_hazard_scale: _ROUNDING * abs(before) -> _ROUNDING / abs(before)"): (
        "either is far above a sum's rounding and far below what a step that overshoots loses"
    ),
    (_CALIBRATION, "fit_hazard_scale: 2 -> 3"): (
        "a step may be shortened by any factor: the search goes on until the next one is nothing"
    ),
    (
        _CALIBRATION,
        "fit_hazard_scale: np.abs(step).max() < 1e-08 -> np.abs(step).max() <= 1e-08",
    ): _STOP,
    (_CALIBRATION, "fit_hazard_scale: 1e-08 -> 1.5000000000000002e-08"): _STOP,
    ("models.data.labels.ahead", "ahead_prices: True -> False"): (
        "four names and four prices: as long as it is so, it changes nothing that zip insists on it"
    ),
    ("models.data.labels.action", "best_action: raised >= lowered -> raised > lowered"): (
        "utility is concave in the hedge ratio: of two steps away from one ratio, opposite and "
        "equal, at most one pays, so that two that pay are never equal"
    ),
    (_CASCADE, "cascade_hits: side < 0 -> side <= 0"): _SIDES,
    (_CASCADE, "cascade_hits: 0 -> 1"): _SIDES,
    (_CASCADE, "_first_of_each: -merge_candles - 1 -> -merge_candles + 1"): (
        "no row before the fourth can be told, and that is further than a merge from this start too"
    ),
    (_CASCADE, "_first_of_each: 1 -> 2"): "the start lies further than a merge back either way",
    (_EPISODES, "cascade_legs: side < 0 -> side <= 0"): _SIDES,
    (_EPISODES, "cascade_legs: 0 -> 1"): _SIDES,
    (_EPISODES, "_grouped: side < 0 -> side <= 0"): _SIDES,
    (_EPISODES, "_grouped: 0 -> 1"): _SIDES,
    (_EPISODES, "_follow: retrace_frac * side -> retrace_frac / side"): (
        "a side is +1 or -1, and dividing by it is multiplying by it"
    ),
    (
        "models.data.labels.returns",
        "forward_log_return: len(close) > horizon_candles -> len(close) >= horizon_candles",
    ): "a frame of exactly one horizon has no row with a candle that far ahead: nothing is written",
    (_WATCH, "stops_of: position.amount > 0 -> position.amount >= 0"): _HELD,
    (_WATCH, "stop_price: position.amount > 0 -> position.amount >= 0"): _HELD,
    (
        _WATCH,
        "stops_of: (position.mark - order.trigger) * closing -> "
        "(position.mark - order.trigger) / closing",
    ): "`closing` is +1 or -1, and of those product and quotient are the same",
    (_EQUITY, "expected_shortfall: 1e-09 -> 1.5000000000000002e-09"): (
        "it takes up rounding, parts in 10^16; a share that is a part in 10^9 off a whole number "
        "of returns is no other share"
    ),
    (_EQUITY, "equity_metrics: -1 -> +1 #2"): _UNREAD,
    (_EQUITY, "equity_metrics: 1 -> 2 #2"): _UNREAD,
    (_EQUITY, "_longest_underwater: fall > 1e-12 -> fall >= 1e-12"): (
        "a fall is a whole number of 2^-53 and so never exactly 1e-12"
    ),
    (_CROSS, "CrossAccount.liquidation_price: side > 0 -> side >= 0"): _SIGN,
    (_DISTANCE, "_newton: longs - shorts -> longs + shorts"): (
        "a leg is long or short, never both: difference and sum are 0 together"
    ),
    (
        _DISTANCE,
        "_newton: longs * np.maximum(1 - x, 0.0)[:, None] + shorts * (1 + x)[:, None] -> "
        "longs * np.maximum(1 - x, 0.0)[:, None] - shorts * (1 + x)[:, None]",
    ): "margins and their rates go by a leg's size, and each leg is long or short",
    (_DISTANCE, "_newton: 3 -> 4"): "it has stood still before: a step per kink is enough",
    (_DISTANCE, "_newton: x < 1 -> x <= 1"): _BEYOND,
    (_DISTANCE, "_newton: 1 -> 2 #5"): _BEYOND,
    (_PASSAGE, "_reached.reached: side > 0 -> side >= 0"): _SIGN,
    (_PASSAGE, "_worst_ahead: side > 0 -> side >= 0"): _SIGN,
    (_PASSAGE, "_worst_ahead: side > 0 -> side >= 0 #2"): _SIGN,
    (_PASSAGE, "_worst_ahead: 0 -> 1 #4"): (
        "the worse of one row and of none is none, as the worse of none and none"
    ),
    (_PASSAGE, "_worst_ahead: len(candles) - count -> len(candles) + count"): (
        "what is cut off here is not there: the runs are that long already"
    ),
    (_PASSAGE, "_worst_ahead: 0 -> 1 #5"): "without that many candles there is no run to cut",
    (_AUDIT, "_ratio: 1.0 -> 1.5"): "where equity is 0 the quotient is not used",
    (_LEDGER, "Ledger._book: 0.0 -> 1.0 #2"): _NEVER_READ,
    (_LEDGER, "Ledger._book: 1 -> 2"): _TRAILING,
    (_LEDGER, "Ledger._book: 1 -> 2 #2"): _TRAILING,
    (_LEDGER, "Ledger.stages: position >= 0 -> position > 0"): (
        "a position of 0 is worth 0 at either extreme"
    ),
    (_LEDGER, "net: max -> min"): (
        "what is left is dust only where the fill is the position to a part in 10^9: the larger "
        "of the two is the smaller to that part"
    ),
    (_LEDGER, "net: held * fill.amount_base < 0 -> held * fill.amount_base <= 0"): _FILLED,
    (_LEDGER, "net: held * fill.amount_base -> held / fill.amount_base"): (
        "product and quotient have one sign, and the amount is never 0"
    ),
    (_LEDGER, "net: held * new -> held / new #2"): (
        "product and quotient have one sign, and a new position of 0 has been seen to before"
    ),
    (_LEDGER, "net: abs(new) > abs(held) -> abs(new) >= abs(held)"): (
        "a fill's amount is never 0: the position is another after it"
    ),
    (_STATE_FILE, "_LONGEST_HALT: 1 -> 2"): _COUNTS_ANYWAY,
    (_STATE_FILE, "_LONGEST_HALT: 20 -> 21"): _COUNTS_ANYWAY,
    (_STATE, "halted: 1 -> 2"): "any number below 0 says that it stands in for a state",
    (_STATE, "_of_format_1: 0 -> 1"): _IN_1970,
    (_STATE, "ControlState.made_ms: 0 -> 1"): _IN_1970,
    (_STATE, "ControlState.armed_ms: 0 -> 1"): _IN_1970,
    (_LEASE, "_NAME_TRIES: 20 -> 21"): _WAIT,
    (_LEASE, "_TRIES: 5 -> 6"): _WAIT,
    (_LEASE, "_PAUSE_S: 0.05 -> 0.07500000000000001"): _WAIT,
    (_LEASE, "_LONGEST: 4096 -> 4097"): "a name is far shorter; this bounds what is none",
    (_LEASE, "_write_name: 0 -> 1"): "the first byte is written over in the next line",
    (_OWNER, "owner_of: 16 -> 17"): "a salt of 16 bytes is long enough, and so is a longer one",
    (_OWNER, "owner_text: 1 -> 2"): "the file's indent is for the eye",
    ("strategies.account.trades_database", "others_trades: 5 -> 6"): _WAIT,
    (_WATCH, "Life.__init__: 0.0 -> 1.0"): _NOT_YET,
    (_WATCH, "Life.__init__: 0.0 -> 1.0 #2"): _NOT_YET,
    (
        "strategies.desk.watch.watchdog",
        "Watchdog._state: state.made_ms < 0 -> state.made_ms <= 0",
    ): (_IN_1970),
    ("strategies.desk.watch.watchdog", "Watchdog._state: 0 -> 1"): _IN_1970,
    ("strategies.desk.watch.venue", "Venue._reduce: position.amount > 0 -> position.amount >= 0"): (
        _HELD
    ),
    ("strategies.desk.watch.supervise", "Supervisor._until_end: 4096 -> 4097"): (
        "how many signs of life are taken at once: one is enough"
    ),
    ("strategies.desk.watch.watchdog", "Watchdog._judge: 0.0 -> 1.0"): (
        "without a sign of life nobody asks how long ago it was given"
    ),
    (
        "strategies.desk.watch.venue",
        "Venue._own_reading: amount < 0 -> amount <= 0",
    ): "of an amount of 0 there is no position, and nobody reads its side",
    ("strategies.desk.watch.ban", "Ban.__init__: 0.0 -> 1.0"): (
        "until when is read only where there is a reason, and with that it is set"
    ),
    (_CAUSES, "CausesTold._count: 0 -> 1"): _A_NAME,
    (_CAUSES, "CausesTold._name: 1 -> 2"): _A_NAME,
    (_CAUSES, "CausesTold._ending: 1 -> 2"): "any number below 0 is of no message",
    (_CAUSES, "CausesTold._beginning: 0 -> 1"): "a span is told in whole seconds",
    (
        "strategies.bot.gated",
        "GatedStrategy.dp: self.gate is not None and self.control is not None "
        "-> self.gate is not None or self.control is not None",
    ): "a gate is made just where there is a control, before any provider is given",
    ("strategies.desk.watch.clocks", "ClockComparison.__init__: False -> True"): (
        "it lets the first look ask the exchange, which the first look does whatever it says"
    ),
    (_WATCHDOG, "Actions._closed: 1.0 -> 1.5"): "a step is never more than what is held",
    ("strategies.desk.bundles.contents", "opened: True -> False"): (
        "as many names as rows are made in the line before"
    ),
    ("strategies.desk.bundles.keys", "make_key: 384 -> 385"): (
        "what the file begins with is set to 600 in the next line, before anything is in it"
    ),
    ("strategies.desk.bundles.fit", "receiver_of: True -> False"): (
        "a config that does not say is refused by Freqtrade when it is loaded, two lines on"
    ),
    (_INSTALL, "install_bundle: 0 -> 1"): "no model in a bundle was trained before 1970",
    (_INSTALL, "install_bundle: True -> False #3"): _BY_NAME,
    (_INSTALL, "_write: True -> False"): _BY_NAME,
    ("strategies.guard.clock_watch", "ClockWatch.__init__: False -> True"): (
        "it lets the first look ask the exchange, which the first look does whatever it says"
    ),
    (_READINGS, "Readings.exposure: 0.0 -> 1.0"): _WITH_A_PAIR,
    ("strategies.guard.guarding", "Guarding.exposure: 0.0 -> 1.0"): _WITH_A_PAIR,
    (
        _READINGS,
        "Readings._shown: (newest_ms - seen_ms) // candle_ms -> (newest_ms - seen_ms) * candle_ms",
    ): _SEEN_BEFORE,
    (_READINGS, "Readings._shown: newest_ms - seen_ms -> newest_ms + seen_ms"): _SEEN_BEFORE,
    (_READINGS, "Readings._overlap: 1 -> 2 #2"): _SEEN_BEFORE,
    (_RECONCILING, "Reconciler.turn: 0 -> 1"): _NO_RESUMPTION,
    ("strategies.guard.recovery", "Recovery.__init__: 0.0 -> 1.0"): (
        "when it was asked is read only where something was held, and then it is set"
    ),
    ("strategies.guard.second_source", "SecondSource._closed: True -> False"): (
        "rows are made six numbers wide in the line before: as many columns as names"
    ),
    ("strategies.guard.standing", "StandingWatch.reduction_quote: 0 -> 1 #2"): (
        "no moment at which a step may be due lies in 1970"
    ),
    ("strategies.guard.loss_book", "LossBook.__init__: 0 -> 1"): _NO_RESUMPTION,
    ("strategies.guard.guarding", "installation_seed: 64 -> 65"): (
        "a secret number of 64 bits is long enough, and so is a longer one"
    ),
    ("strategies.guard.guarding", "installation_seed: 1000 -> 1001"): (
        "a number is far shorter; this bounds what is none"
    ),
    (_READINGS, "Readings._shown: newest_ms < seen_ms -> newest_ms <= seen_ms"): (
        "the newest candle of the last look is returned from in the lines before"
    ),
    (_READINGS, "Readings._overlap: 1 -> 2"): _SEEN_BEFORE,
    (_RECONCILING, "Reconciler.__init__: 0 -> 1"): _NO_RESUMPTION,
    (_RECONCILING, "Reconciler.__init__: 0 -> 1 #2"): (
        "everything is looked at after the first millisecond of 1970"
    ),
    (_RECONCILING, "Reconciler._is_due: 0 -> 1"): (
        "what was never looked at is due at any time after 1970"
    ),
    (_RECONCILING, "Reconciler._fills: 0 -> 1"): _STARTED,
    (_RECONCILING, "Reconciler._remember: 0 -> 1"): _STARTED,
    ("strategies.guard.standing", "StandingWatch._armed_ms: 0 -> 1"): (
        "without a control the loop looks at nothing, and nobody asks"
    ),
    ("strategies.guard.standing", "StandingWatch._watch_position: 1 -> 2"): _SIDE_SIGN,
    ("strategies.guard.standing", "StandingWatch._watch_position: 1 -> 2 #2"): _SIDE_SIGN,
    (_RECONCILING, "_SAME: 1e-09 -> 1.5000000000000002e-09"): _WHOLE_STEPS,
    (
        _RECONCILING,
        "Reconciler._superfluous: stop.amount >= amount * (1 - _SAME) -> "
        "stop.amount > amount * (1 - _SAME)",
    ): _WHOLE_STEPS,
    ("strategies.guard.adoption", "adopt_exits: 0 -> 1"): (
        "an order without a time is before every one that was asked for since 1970"
    ),
    (
        _READINGS,
        "Readings._overlap: DAY_MS // self._host.candle_ms -> DAY_MS * self._host.candle_ms",
    ): _SEEN_BEFORE,
    ("strategies.guard.unknowns", "Unknowns.note: 0 -> 1"): (
        "without a control nobody is told since when"
    ),
    ("strategies.guard.unknowns", "Unknowns._close: True -> False"): (
        "whether it was told is read of what is unknown still, and of nothing that is over"
    ),
    ("strategies.guard.second_source", "SecondSource._closed: 1 -> 2 #2"): (
        "any length below 0 is the one that numpy finds itself"
    ),
}
