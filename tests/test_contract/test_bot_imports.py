"""What the bot really loads, file by file, and that `models` reads and writes no tables.

`test_imports.py` reads the rules from the source; here each class Freqtrade may load is imported.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.places import ROOT
from tests.test_contract.import_rules import Source, scanned_files, sources

SCANNED = [f"{path.parent.name}.{path.stem}" for path in scanned_files(ROOT)]
SERVING = sorted(s.name for s in sources(ROOT) if s.name.startswith("models.serve."))
BOT = [*SCANNED, *SERVING, "models.learn.catalog", "models.learn.jobs.executor"]
TABLES = {"pandas", "polars", "pyarrow"}
CODE = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
    print(name, "torch" in sys.modules, "pandas" in sys.modules, "freqtrade" in sys.modules)
print("optional", *sorted({"ray", "psycopg2", "plotly", "playwright"} & set(sys.modules)))
"""


def loaded(*modules: str) -> list[list[str]]:
    """Per module, imported in this order in one fresh process: name, torch?, pandas?, freqtrade?"""
    done = subprocess.run(
        [sys.executable, "-c", CODE, *modules],
        cwd=ROOT, check=True, timeout=120, capture_output=True, text=True,
    )  # fmt: skip
    return [
        line.split()
        for line in done.stdout.splitlines()
        if line.split()[0] in (*modules, "optional")
    ]


def table_use(source: Source) -> list[str]:
    """Return the table libraries a module imports and the table files it reads or writes."""
    found = sorted(name for name in source.imports if name.partition(".")[0] in TABLES)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith(
            (
                "read_csv",
                "read_feather",
                "read_parquet",
                "read_pickle",
                "to_csv",
                "to_feather",
                "to_parquet",
                "to_pickle",
            )
        ):
            found.append(node.attr)  # fmt: skip
    return found


def test_bot_modules_when_each_is_imported_then_torch_stays_out() -> None:
    assert {"freqaimodels.LSTMForecaster", "strategies.BitcoinCrossMargin"} <= set(SCANNED)
    assert "models.serve.predictor" in SERVING
    *rows, optional = loaded(*BOT)
    assert optional == ["optional"]  # nor what only some bots have installed
    assert [name for name, *_ in rows] == BOT
    assert [name for name, torch, *_ in rows if torch == "True"] == []


def test_serving_modules_when_imported_alone_then_neither_pandas_nor_freqtrade_is_there() -> None:
    assert [row[1:] for row in loaded(*SERVING)[:-1]] == [["False"] * 3] * len(SERVING)


def test_import_probe_when_a_module_needs_torch_or_freqtrade_then_it_says_so() -> None:
    assert loaded("models.base.heads", "models.learn.nets.lstm", "psycopg2") == [
        ["models.base.heads", "False", "False", "False"],
        ["models.learn.nets.lstm", "True", "False", "False"],
        ["psycopg2", "True", "False", "False"],
        ["optional", "psycopg2"],
    ]


def test_models_when_read_then_they_use_no_tables() -> None:
    used = {s.name: table_use(s) for s in sources(ROOT) if s.name.split(".")[0] == "models"}
    assert len(used) > 30
    # Prophet takes its rows and gives its components in pandas frames, and in nothing else;
    # pyextremes finds extremes in a pandas series, and in nothing else.
    assert {name: use for name, use in used.items() if use} == {
        "models.learn.prophet.library": ["pandas"],
        "models.scenarios.pareto": ["pandas"],
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import pandas as pd", ["pandas"]),
        ("def f():\n    from pandas.io import sql", ["pandas.io", "pandas.io.sql"]),
        ("def f(frame):\n    frame.to_feather('x')", ["to_feather"]),
    ],
)
def test_table_probe_when_a_module_uses_tables_then_it_convicts(
    tmp_path: Path, text: str, found: list[str]
) -> None:
    assert table_use(Source("models.x", tmp_path / "x.py", text)) == found
