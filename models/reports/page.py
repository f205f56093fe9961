"""From a report's numbers and figures to its page and its folder; every kind of report uses this.

The skeleton is `templates/base.html`; each kind has one template that fills its blocks.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
import plotly.offline
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from models.reports.folder import write_folder
from models.reports.index import listed_reports
from models.reports.packing import PackedText, pack_text
from models.reports.style import night_colours
from models.reports.text import between, cell, report_json, show

_ENVIRONMENT: Final = Environment(
    loader=PackageLoader("models.reports"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def report_page(kind: str, figures: Mapping[str, go.Figure], **values: Any) -> str:
    """Return the self-contained page of a kind of report.

    Parameters
    ----------
    kind
        ``templates/<kind>.html`` is filled.
    figures
        By the id of their place on the page; Plotly is put in if there are any.
    values
        What the template names; `run` at least, with a ``title``. A name that the template uses
        and nobody gave is an error.
    """
    return _ENVIRONMENT.get_template(f"{kind}.html").render(
        **values,
        figures=list(figures),
        payload=_in_page(figures_json(figures)) if figures else None,
        plotly=_in_page(plotly.offline.get_plotlyjs()) if figures else None,
        night=Markup(json.dumps(night_colours())),
        show=show,
        between=between,
        cell=cell,
        pretty=lambda value: json.dumps(value, indent=2, ensure_ascii=False, default=str),
    )


def write_page(
    numbers: Mapping[str, Any],
    page: str,
    texts: Mapping[str, str],
    reports_dir: Path,
    created_ms: int,
) -> Path:
    """Write page, numbers and Markdown to a new folder of `reports_dir` and return the folder.

    Parameters
    ----------
    numbers
        Of ``report.json``; their ``kind`` names the folder, their ``headline`` stands in the index.
    texts
        File name to text, beside ``index.html`` and ``report.json``.
    """
    files = {"report.json": report_json(numbers), "index.html": page, **texts}
    return write_folder(str(numbers["kind"]), files, reports_dir, created_ms, index_page)


def index_page(reports_dir: Path) -> str:
    """Return the page that lists every report in `reports_dir`."""
    run = {"title": "Reports", "simulated": False}
    return report_page("index", {}, run=run, kinds=listed_reports(reports_dir))


def figures_json(figures: Mapping[str, go.Figure]) -> str:
    """Return all figures as JSON, by their ids; numbers as decimals, which gzip packs best."""
    shown = {name: _plain(figure.to_plotly_json()) for name, figure in figures.items()}
    return json.dumps(shown, separators=(",", ":"), allow_nan=False)


def _plain(value: Any) -> Any:
    """Return a part of a figure as JSON has it: NaN null, a screen's digits."""
    if isinstance(value, Mapping) and "bdata" in value:  # an array, as Plotly writes it
        return _plain(np.frombuffer(base64.b64decode(value["bdata"]), np.dtype(value["dtype"])))
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return [_number(v) for v in value.tolist()] if value.dtype.kind in "fiu" else value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return _number(value) if isinstance(value, float | np.generic) else value


def _number(value: Any) -> int | float | None:
    """Return a number with what a screen shows of it; times, which are whole, as they are."""
    if not math.isfinite(value):
        return None
    if float(value).is_integer():
        return int(value)
    return float(f"{value:.4g}" if abs(value) < 10 else f"{value:.6g}")


def _in_page(text: str) -> PackedText:
    """Return `text` packed, its letters safe inside a script element."""
    packed = pack_text(text)
    return PackedText(Markup(packed.letters), packed.size)
