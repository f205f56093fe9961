"""Whether another package stands in the place of one of ours.

`models`, `strategies` and `freqaimodels` are plain names: a folder of that name in the working
directory, or an installed package, is imported instead of ours if Python finds it first.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Final

from freqtrade.exceptions import OperationalException

OWN_PACKAGES: Final = ("models", "strategies", "freqaimodels")


def shadowed_packages(names: tuple[str, ...] = OWN_PACKAGES) -> dict[str, str]:
    """Return name -> where it is imported from, of each package that is not beside this one."""
    home = Path(__file__).resolve().parents[2]
    found: dict[str, str] = {}
    for name in names:
        try:
            package = importlib.import_module(name)
        except ImportError as error:
            found[name] = f"nowhere: {error}"
            continue
        places = [Path(place).resolve() for place in package.__path__]
        if home / name not in places[:1]:
            found[name] = str(places[0]) if places else str(package.__file__)
    return found


def refuse_shadowed() -> None:
    """Raise OperationalException if one of our packages is imported from elsewhere."""
    if found := shadowed_packages():
        home = Path(__file__).resolve().parents[2]
        places = "; ".join(f"{name} from {place}" for name, place in found.items())
        raise OperationalException(
            f"Another package has the name of one of Breakwater's: {places} instead of {home}.\n"
            "cure: rename that folder or uninstall that package, or start Freqtrade elsewhere"
        )
