"""Copies the shipped configs into a wheel as it is built; all else is in pyproject.toml."""

from __future__ import annotations

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfigs(build_py):
    """``user_data/config_*.json`` is the one source; a checkout reads it where it lies."""

    def run(self) -> None:
        """Build the package and put the configs beside `strategies.desk.terminal.places`."""
        super().run()
        if self.editable_mode:
            return
        for source, target in self._configs():
            target.parent.mkdir(parents=True, exist_ok=True)
            self.copy_file(str(source), str(target))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Return the files the build writes, for whoever uninstalls them."""
        return super().get_outputs(include_bytecode) + [str(t) for _, t in self._configs()]

    def _configs(self) -> list[tuple[Path, Path]]:
        folder = Path(self.build_lib) / "strategies" / "desk" / "terminal" / "configs"
        return [
            (path, folder / path.name) for path in sorted(Path("user_data").glob("config_*.json"))
        ]


setup(cmdclass={"build_py": BuildWithConfigs})
