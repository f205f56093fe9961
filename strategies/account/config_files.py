"""The config files a command is given, read as Freqtrade reads them; what is wrong, by its name.

Freqtrade works with a config before it looks whether every setting is of the kind it expects, and
then says of one that is wrong what the work stumbled over. Here the setting itself is named, from
Freqtrade's own schema.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

from freqtrade.config_schema.config_schema import CONF_SCHEMA
from freqtrade.configuration import Configuration
from freqtrade.configuration.config_validation import (
    Draft4Validator,
    FreqtradeValidator,
    ValidationError,
)
from freqtrade.configuration.environment_vars import environment_vars_to_dict
from freqtrade.configuration.load_config import load_from_files
from freqtrade.enums import RunMode
from freqtrade.misc import deep_merge_dicts

from models.base.config import shown
from models.base.errors import ConfigError
from strategies.seams.quiet_log import without_freqtrade_log

# What Freqtrade raises from a value of another kind than it takes for granted.
STUMBLES: Final = (
    AttributeError, ImportError, LookupError, OSError, TypeError, ValueError,
)  # fmt: skip
_KINDS: Final = {
    "object": "a block of settings", "array": "a list", "string": "a text", "number": "a number",
    "integer": "a whole number", "boolean": "true or false", "null": "nothing",
}  # fmt: skip
_RULES: Final = {
    "minimum": "at least", "maximum": "at most", "exclusiveMaximum": "a number below",
    "minItems": "a list of at least", "minLength": "a text at least as long as", "enum": "one of",
}  # fmt: skip
_CURE: Final = "mend the config file, or take the variable FREQTRADE__.. out of the environment"


def config_of_files(configs: Sequence[Path], userdir: Path | None = None) -> dict[str, Any]:
    """Return Freqtrade's configuration of these files and the environment, for no run of its own.

    Parameters
    ----------
    userdir
        Wins over the files' own, as ``--userdir`` does: theirs may be of another directory.

    Raises
    ------
    ConfigError
        If Freqtrade cannot work with it; names every setting that is of a wrong kind.
    freqtrade.exceptions.OperationalException
        Whatever else Freqtrade refuses, in its own words.
    """
    try:
        given = {} if userdir is None else {"user_data_dir": str(userdir)}
        arguments = {"config": [str(path) for path in configs], **given}
        with without_freqtrade_log():
            config: dict[str, Any] = Configuration(arguments, RunMode.OTHER).get_config()
    except STUMBLES as error:
        refuse_wrong_kinds(_as_written(configs), ("exchange",))
        raise ConfigError(
            f"expected settings Freqtrade can work with, got {type(error).__name__}: {error}",
            where=", ".join(map(str, configs)), cure=_CURE,
        ) from error  # fmt: skip
    return config


def refuse_wrong_kinds(config: Mapping[str, Any], required: Collection[str] = ()) -> None:
    """Refuse what Freqtrade's schema refuses when a bot starts; nothing in `config` is changed.

    Parameters
    ----------
    required
        Names that have to be there.

    Raises
    ------
    ConfigError
        If there is any; lists all of them, without repeating what may be secret.
    """
    if wrong := list(dict.fromkeys(_wrong(config, required))):
        raise ConfigError("; ".join(wrong), where="config files and environment", cure=_CURE)


def _as_written(configs: Sequence[Path]) -> dict[str, Any]:
    """Return what files and environment say, before Freqtrade works with it."""
    try:
        files = load_from_files([str(path) for path in configs])
        merged: dict[str, Any] = deep_merge_dicts(environment_vars_to_dict(), files)
    except STUMBLES as error:
        raise ConfigError(
            f"expected files with a block of settings in JSON, blocks where Freqtrade has blocks, "
            f"and add_config_files a list of files; got {type(error).__name__}: {error}",
            where=", ".join(map(str, configs)), cure=_CURE,
        ) from error  # fmt: skip
    return merged


def _wrong(config: Mapping[str, Any], required: Collection[str]) -> Iterator[str]:
    schema = {**CONF_SCHEMA, "required": list(required)}
    folder = config.get("user_data_dir", "")  # of any kind in the schema
    if not isinstance(folder, str | Path):
        yield f"expected a folder for user_data_dir, got {shown(folder)}"
    found = [e for e in Draft4Validator(schema).iter_errors(config) if e.validator != "required"]
    if not found:  # else the defaults have no block to be put into
        found = list(FreqtradeValidator(schema).iter_errors(deepcopy(dict(config))))
    yield from map(_words, found)


def _words(error: ValidationError) -> str:
    """Return what was expected and what came; Freqtrade's own words repeat keys and tokens."""
    name = ".".join(str(part) for part in error.absolute_path)
    rule, limit = str(error.validator), error.validator_value
    if rule == "required":
        lacking = [part for part in limit if part not in error.instance]
        return f"expected {', '.join(f'{name}.{part}' if name else part for part in lacking)}, " + (
            "got nothing"
        )
    if rule == "type":
        kinds = [limit] if isinstance(limit, str) else limit
        wanted = " or ".join(_KINDS.get(kind, kind) for kind in kinds)
    else:
        wanted = f"{_RULES.get(rule, rule)} {_plain(limit)}"
    return f"expected {wanted} for {name}, got {shown(error.instance)}"


def _plain(limit: object) -> str:
    return ", ".join(map(str, limit)) if isinstance(limit, list) else shown(limit)
