"""The wheel in an environment of its own, outside the checkout: what is installed runs."""

from __future__ import annotations

import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from strategies.desk.terminal import places
from tests.base_install import build_wheel, output
from tests.places import ROOT, USER_DATA

PACKAGES = ("models", "strategies", "freqaimodels")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; the libraries are borrowed from this one."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False, symlinks=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(home)}))
    # A path in a .pth file does not run the .pth files it leads to: not the editable checkout's.
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    install = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "install"]
    output([*install, "--quiet", "--no-deps", "--no-index", str(wheel)], home)
    return home / "bin"


def test_wheel_when_listed_then_it_holds_all_code_and_configs_and_no_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    code = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for suffix in ("py", "html", "css", "js", "json", "yaml", "service")
        for path in (ROOT / package).rglob(f"*.{suffix}")
    }
    code |= {f"strategies/desk/watch/units/Dockerfile{end}" for end in ("", ".dockerignore")}
    beside = Path(places.__file__).parent.relative_to(ROOT).as_posix()
    configs = {f"{beside}/configs/{path.name}" for path in USER_DATA.glob("config_*.json")}
    assert len(configs) > 5
    assert held == code | configs


def test_commands_when_installed_then_help_and_places_are_the_packages_own(
    installed: Path, tmp_path: Path
) -> None:
    assert "hedge-report" in output([str(installed / "breakwater"), "--help"], tmp_path)
    output([str(installed / "breakwater"), "doctor"], tmp_path)
    asked = "import strategies.desk.terminal.places as p; print(p.CONFIGS, p.STRATEGIES, sep='\\n')"
    lines = output([str(installed / "python"), "-c", asked], tmp_path).split()
    assert all(line.startswith(str(installed.parent)) for line in lines), lines
    assert not (tmp_path / "user_data").exists()


def test_demo_when_run_outside_the_checkout_then_its_report_lands_in_the_current_folder(
    installed: Path, tmp_path: Path
) -> None:
    demo = [str(installed / "breakwater"), "demo", "--model", "LinearForecaster"]
    out = output([*demo, "--timerange", "20250301-20250311"], tmp_path)
    assert "BACKTESTING REPORT" in out
    assert (tmp_path / "user_data" / "reports" / "latest" / "index.html").is_file()
    assert (tmp_path / "user_data" / "data" / "simulated").is_dir()
