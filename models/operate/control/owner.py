"""Whose state a folder holds: one stage, one exchange account, one strategy, written down once.

State of a dry run, of another account or of another strategy is not read as one's own: a loss of
theirs is none of ours, and what they were told is not for us. Neither the key nor the exchange's
name of the account is kept, only their salted fingerprints.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol

from models.base.errors import ControlError
from models.base.files import Clock, iso_ms, read_regular, wall_clock_ms, write_atomic
from models.operate.control.lease import Lease, take_lease

OWNER_FORMAT: Final = 1
OWNER_FILE: Final = "owner.json"
_SHOWN: Final = 8  # digits of a fingerprint a person is shown


class NewerOwnerError(ControlError):
    """The owner was written by a newer version, which may know better."""


class BotStage(StrEnum):
    """Whose money a bot trades."""

    DRY_RUN = "dry-run"
    LIVE = "live"


@dataclass(frozen=True, kw_only=True)
class BotIdentity:
    """A bot as it starts; the account of a dry run is its wallet, which `uid` then tells.

    Attributes
    ----------
    strategy
        Name of its class; empty for a command that was not told.
    stake
        Currency its equity and losses are counted in.
    key, uid
        API key, and the exchange's own name of the account; empty if not told.
    where
        Address of the exchange's interface: what a key is good for.
    """

    stage: BotStage
    exchange: str
    stake: str
    strategy: str
    key: str = field(default="", repr=False)
    uid: str = field(default="", repr=False)
    where: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"{self.strategy or 'a strategy'}, {self.stage} on {self.exchange} in {self.stake}"


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Whom state belongs to; `uid` and `keys` are fingerprints, salted with `salt`."""

    stage: BotStage
    exchange: str
    stake: str
    strategy: str
    salt: str
    since_ms: int
    uid: str = ""
    keys: tuple[str, ...] = ()  # every API key known to be of the account

    def __str__(self) -> str:
        known = self.uid or (self.keys[0] if self.keys else "")
        account = f" (account #{known[:_SHOWN]})" if known else ""
        return (
            f"{self.strategy}, {self.stage} on {self.exchange} in {self.stake}{account}, "
            f"since {iso_ms(self.since_ms)}"
        )

    def differs(self, bot: BotIdentity) -> str:
        """Return what of `bot` is another's: stage, exchange, currency, strategy or account."""
        for what, own, theirs in (
            ("stage", self.stage, bot.stage),
            ("exchange", self.exchange, bot.exchange),
            ("stake currency", self.stake, bot.stake),
            ("strategy", self.strategy, bot.strategy or self.strategy),
        ):
            if own != theirs:
                return f"{what} {theirs}, not {own}"
        if self._is_other_account(bot):
            paper = self.stage is BotStage.DRY_RUN
            return "another dry_run_wallet" if paper else "another account of the exchange"
        return ""

    def doubts(self, bot: BotIdentity) -> bool:
        """Whether nobody can tell `bot`'s account from another: its key is new, and no uid told."""
        if self._knows_uid(bot) or not (self.uid or self.keys):
            return False
        if self.stage is BotStage.DRY_RUN:
            return False  # it has no key; a command was not told its wallet
        return self._print(bot.key) not in self.keys

    def learned(self, bot: BotIdentity) -> Owner:
        """Return the owner with what `bot` tells of the account that was not known before."""
        uid = self.uid or self._print(bot.uid)
        key = self._print(bot.key)
        keys = self.keys if not key or key in self.keys else (*self.keys, key)
        return replace(self, uid=uid, keys=keys)

    def _knows_uid(self, bot: BotIdentity) -> bool:
        return bool(self.uid and bot.uid)

    def _is_other_account(self, bot: BotIdentity) -> bool:
        return self._knows_uid(bot) and self._print(bot.uid) != self.uid

    def _print(self, value: str) -> str:
        """Return the fingerprint of a key or a uid, which it does not reveal; nothing of nothing.

        Keys are long and random: a salted digest cannot be tried out.
        """
        if not value:
            return ""
        return hmac.new(self.salt.encode(), value.encode(), hashlib.sha256).hexdigest()


def owner_of(bot: BotIdentity, now_ms: int) -> Owner:
    """Return `bot` as the owner of what nobody owns yet."""
    fresh = Owner(
        stage=bot.stage, exchange=bot.exchange, stake=bot.stake, strategy=bot.strategy,
        salt=secrets.token_hex(16), since_ms=now_ms,
    )  # fmt: skip
    return fresh.learned(bot)


class Hold(Protocol):
    """What keeps a second bot out of a place until this process ends."""

    @property
    def moved_from(self) -> str:
        """The machine it was held on before, if that was another one."""

    def lost(self) -> str:
        """Return why it no longer keeps a second holder out, or nothing."""


class BotPlace(Protocol):
    """What belongs to one bot, wherever it is kept: `OwnedPlace` says what the names mean."""

    @property
    def name(self) -> str: ...
    @property
    def instead(self) -> str: ...
    @property
    def doubt(self) -> str: ...
    @property
    def where(self) -> str:
        """Where it is written down whose it is."""

    def take(self, who: str, clock: Clock = wall_clock_ms) -> Hold:
        """Hold it until this process ends; ControlError if another one does."""

    def read(self) -> Owner | None:
        """Return whose it is, None if nobody has written that down; ControlError if unreadable."""

    def write(self, owner: Owner) -> None:
        """Write down whose it is, whole or not at all; ControlError if that cannot be."""


@dataclass(frozen=True, kw_only=True)
class OwnedPlace:
    """What belongs to one bot: a folder of state, a database.

    Attributes
    ----------
    name
        As a person knows it.
    owner, lock
        Files that say whose it is, and that the bot holds while it runs.
    instead
        What another bot is to use, the cure of every refusal.
    doubt
        Why it may be another's although nobody has written down whose it is; empty if it is not.
    """

    name: str
    owner: Path
    lock: Path
    instead: str
    doubt: str = ""

    @property
    def where(self) -> str:
        """Where it is written down whose it is."""
        return str(self.owner)

    def take(self, who: str, clock: Clock = wall_clock_ms) -> Lease:
        """Hold it until this process ends; ControlError if another one does."""
        return take_lease(self.lock, who, clock, what=self.name, cure=self.instead)

    def read(self) -> Owner | None:
        """Return whose it is, None if nobody has written that down; ControlError if unreadable."""
        return read_owner(self.owner)

    def write(self, owner: Owner) -> None:
        """Write down whose it is, whole or not at all; ControlError if that cannot be."""
        write_owner(self, owner)


@dataclass(frozen=True, kw_only=True)
class Occupancy:
    """A place a bot holds: its lease, whose it is, and what was learned about the account."""

    place: BotPlace
    lease: Hold
    owner: Owner
    news: str = ""


def occupy(place: BotPlace, bot: BotIdentity, clock: Clock = wall_clock_ms) -> Occupancy:
    """Hold `place` for `bot` until this process ends, and bind it to `bot` at its first use.

    Raises
    ------
    ControlError
        If another bot holds it, it belongs to another stage, account or strategy, nobody can
        tell whose it is, or it can be neither locked nor written; nothing has been changed then.
    """
    lease = place.take(str(bot), clock)
    owner = checked_owner(place, bot)
    if owner is None:
        if place.doubt:
            raise _unowned(place, bot)
        owner = owner_of(bot, clock())
        place.write(owner)
        return Occupancy(place=place, lease=lease, owner=owner)
    if owner.doubts(bot):
        raise _doubtful(place, owner)
    known = owner.learned(bot)
    news = []
    if known != owner:
        place.write(known)
    if known.keys != owner.keys:
        news.append("another API key of the same account")
    if host := lease.moved_from:
        news.append(
            f"last used on {host}: if a bot still runs there, two bots trade one account; end one"
        )
    return Occupancy(place=place, lease=lease, owner=known, news="; ".join(news))


def checked_owner(place: BotPlace, bot: BotIdentity) -> Owner | None:
    """Return whom `place` belongs to, None for nobody yet.

    Raises
    ------
    ControlError
        If that is known to be another than `bot`, or cannot be read.
    """
    owner = place.read()
    if owner is not None and (why := owner.differs(bot)):
        raise ControlError(
            f"{place.name} belongs to {owner}; this bot is {bot}: {why}",
            where=place.where, cure=place.instead,
        )  # fmt: skip
    return owner


def write_owner(place: OwnedPlace, owner: Owner) -> None:
    """Write down whom `place` belongs to, whole or not at all.

    Raises
    ------
    ControlError
        If it cannot be written.
    """
    try:
        write_atomic(place.owner, owner_text(owner).encode())
    except OSError as error:
        raise ControlError(
            f"it cannot be written down whose {place.name} is: {error.strerror}",
            where=place.where,
            cure="let the bot's user write there, make room on the disk, or use another --userdir",
        ) from error


def read_owner(path: Path) -> Owner | None:
    """Return the owner written in `path`, None if there is none.

    Raises
    ------
    ControlError
        If the file is there and is no owner, or a newer version's.
    """
    try:
        text = read_regular(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        _unreadable(str(path), error)
    return owner_from_text(text, str(path))


def owner_text(owner: Owner) -> str:
    """Return an owner as it is written down."""
    return json.dumps({"format": OWNER_FORMAT, **asdict(owner)}, indent=1) + "\n"


def owner_from_text(text: str | bytes, where: str) -> Owner:
    """Return the owner written in `text`.

    Raises
    ------
    ControlError
        If it is no owner, or a newer version's.
    """
    try:
        values = json.loads(text)
        written = values.pop("format")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        _unreadable(where, error)
    if isinstance(written, int) and written > OWNER_FORMAT:
        raise NewerOwnerError(
            f"written by a newer version: expected format {OWNER_FORMAT}, got {written}",
            where=where, cure="start the version that wrote it, or use another --userdir",
        )  # fmt: skip
    try:
        return _owner_from(values)
    except (ValueError, KeyError, TypeError) as error:
        _unreadable(where, error)


def _owner_from(values: Mapping[str, Any]) -> Owner:
    if set(values) != {item.name for item in fields(Owner)}:
        raise ValueError(f"fields {sorted(values)}")
    texts = {n: values[n] for n in ("exchange", "stake", "strategy", "salt", "uid")}
    keys, since_ms = values["keys"], values["since_ms"]
    if not all(isinstance(text, str) for text in (*texts.values(), *keys)) or not texts["salt"]:
        raise ValueError("expected texts")
    if type(since_ms) is not int or not isinstance(keys, list):
        raise ValueError("expected a time in milliseconds and a list of keys")
    return Owner(stage=BotStage(values["stage"]), since_ms=since_ms, keys=tuple(keys), **texts)


def _unreadable(where: str, error: Exception) -> NoReturn:
    raise ControlError(
        f"it cannot be read whose this is: {error!r:.200}",
        where=where,
        cure="look at it; `breakwater claim` with the bot's config writes it anew",
    ) from error


def _unowned(place: BotPlace, bot: BotIdentity) -> ControlError:
    return ControlError(
        f"nobody has written down whose {place.name} is, and it is not empty: {place.doubt}",
        where=place.where,
        cure=f"if it is this bot's ({bot}), `breakwater claim` with its config, once; "
        f"otherwise {place.instead}",
    )


def _doubtful(place: BotPlace, owner: Owner) -> ControlError:
    return ControlError(
        f"{place.name} belongs to {owner}; this bot has another API key, and the exchange does "
        "not tell whose account that is",
        where=place.where,
        cure="if the key was renewed, `breakwater claim` with the bot's config, once; "
        f"otherwise {place.instead}",
    )
