"""From a report's numbers and figures to its page and its folder; every kind of report uses this.

The skeleton is `templates/base.html`; each kind has one template that fills its blocks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import plotly.graph_objects as go
import plotly.io
import plotly.offline
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from models.reports.folder import write_folder
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
        payload=Markup(_payload(figures)),
        plotly=Markup(plotly.offline.get_plotlyjs()),
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
        Of ``report.json``; their ``kind`` names the folder.
    texts
        File name to text, beside ``index.html`` and ``report.json``.
    """
    files = {"report.json": report_json(numbers), "index.html": page, **texts}
    return write_folder(str(numbers["kind"]), files, reports_dir, created_ms)


def _payload(figures: Mapping[str, go.Figure]) -> str:
    """Return all figures as JSON that is safe inside a script element."""
    parts = [
        f"{json.dumps(name)}:{plotly.io.to_json(figure, validate=False)}"
        for name, figure in figures.items()
    ]
    return "{" + ",".join(parts).replace("<", "\\u003c") + "}"
