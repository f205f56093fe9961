"""The image and its services keep to the rules; each rule convicts a file that breaks it."""

from __future__ import annotations

import sys
import tomllib
from importlib import resources
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from freqtrade.commands.arguments import Arguments

from strategies.desk import cli
from strategies.desk.folder.services import written_compose
from strategies.desk.watch import units
from tests.base_install import base_lock, copy_checkout, output
from tests.container_rules import (
    image_faults,
    instructions,
    linted,
    service_faults,
    services,
    spec_fault,
)
from tests.places import ROOT, USER_DATA

UNITS = resources.files(units)
DOCKERFILE = (UNITS / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (UNITS / "compose.yaml").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VERSION = PROJECT["version"]
WHEEL = f"breakwater-{VERSION}-py3-none-any.whl"
(FREQTRADE,) = [d.partition("==")[2] for d in PROJECT["dependencies"] if d.startswith("freqtrade=")]


def test_image_when_its_file_is_read_then_no_rule_is_broken() -> None:
    assert image_faults(DOCKERFILE, FREQTRADE, WHEEL) == []
    assert len(instructions(DOCKERFILE)) > 5


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (f"freqtrade:{FREQTRADE}", "freqtrade:stable", "not pinned"),
        (f"freqtrade:{FREQTRADE}", "freqtrade", "not pinned"),
        (f"freqtrade:{FREQTRADE}", "freqtrade:2025.1", "expected Freqtrade"),
        ("USER 1000:1000", "USER root", "the last USER is root"),
        ("USER 1000:1000\n", "", "the last USER is root, or none"),
        ("--require-hashes ", "", "may bring what nobody locked"),
        ("--no-index ", "", "may bring what nobody locked"),
        ("    && pip check \\\n", "", "pip check"),
        ("&& pip check", "&& apt-get install gcc && pip check", "not needed"),
        ("COPY --chown=1000:1000", "COPY . user_data", "copies more than it names"),
        ("ENV ", "ENV EXCHANGE_KEY=abc ", "a secret"),
        ('ENTRYPOINT ["freqtrade"]', "ENTRYPOINT freqtrade", "exec form"),
        ("WORKDIR", "VOLUME", "not one of the words"),
    ],
)
def test_rule_when_the_image_breaks_it_then_it_is_named(old: str, new: str, fault: str) -> None:
    assert old in DOCKERFILE
    assert any(
        fault in said for said in image_faults(DOCKERFILE.replace(old, new), FREQTRADE, WHEEL)
    )


def test_image_when_linted_then_nothing_is_found() -> None:
    assert linted(DOCKERFILE) == []


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (f"freqtrade:{FREQTRADE}", "freqtrade", "DL3006"),
        ("USER 1000:1000", "USER root", "DL3002"),
        ("--no-cache-dir --require", "--require", "DL3042"),
        ("python -P", "cd / && python", "DL3003"),
        ("WORKDIR /", "WORKDIR ", "DL3000"),
        ('ENTRYPOINT ["freqtrade"]', "ENTRYPOINT freqtrade", "DL3025"),
        ("print(strategies.__path__[0])')\"", "print()')", "SC"),
    ],
)
def test_linter_when_the_image_breaks_a_rule_of_its_then_it_is_named(
    old: str, new: str, rule: str
) -> None:
    assert old in DOCKERFILE
    assert any(rule in said for said in linted(DOCKERFILE.replace(old, new)))


def test_context_when_built_then_nothing_but_wheel_and_lock_is_sent() -> None:
    lines = (UNITS / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert lines == ["*", "!dist/base.lock", "!dist/breakwater-*.whl"]
    copied = [rest for word, rest in instructions(DOCKERFILE) if word == "COPY"]
    assert copied == [f"--chown=1000:1000 dist/base.lock dist/{WHEEL} /tmp/pack/"]


def test_image_script_when_run_in_a_checkout_then_dist_holds_what_the_image_copies(
    tmp_path: Path,
) -> None:
    copy_checkout(tmp_path)
    output([str(tmp_path / ".ci" / "image"), sys.executable], tmp_path)
    assert {path.name for path in (tmp_path / "dist").iterdir()} == {"base.lock", WHEEL}
    assert (tmp_path / "dist" / "base.lock").read_text(encoding="utf-8") == base_lock()


def test_lock_of_the_image_when_made_then_it_has_all_a_trader_needs_and_no_torch() -> None:
    names = {line.split("==")[0] for line in base_lock().splitlines() if "==" in line}
    assert {"freqtrade", "ccxt", "onnxruntime", "loky", "cryptography", "psutil"} <= names
    assert not names & {"torch", "onnx", "plotly", "ray", "pytest", "xgboost-cpu"}
    assert base_lock().count("--hash=sha256:") >= len(names)


def test_services_when_read_then_no_rule_is_broken_and_each_command_is_one() -> None:
    found = services(COMPOSE)
    assert sorted(found) == ["bot", "collector", "watchdog"]
    for name, service in found.items():
        assert service_faults(name, service, f"breakwater:{VERSION}") == []
        (program,), words = service["entrypoint"], service["command"]
        if program == "breakwater":
            cli._parser().parse_args(words)
        else:
            assert Arguments(list(words)).get_parsed_arg()["command"] == "trade"
        for config in [b for a, b in pairwise(words) if a == "--config"]:
            assert (USER_DATA.parent / config).is_file()


@pytest.mark.parametrize(
    "text", [COMPOSE, written_compose(Path("/srv/my bot"))], ids=["plain folder", "a bot's folder"]
)
def test_compose_when_held_against_its_specification_then_it_is_one(text: str) -> None:
    assert spec_fault(text) == ""
    assert len(services(text)) == 3


HEALTH = services(COMPOSE)["bot"]["healthcheck"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"memory_limit": "1g"}, "bot: extension key `memory_limit`"),
        ({"mem_limit": "1q"}, "bot.mem_limit: value `1q`"),
        ({"pids_limit": "many"}, "bot.pids_limit: invalid type"),
        ({"restart": "sometimes"}, "bot.restart: unknown variant"),
        ({"pull_policy": "perhaps"}, "bot.pull_policy: unknown variant"),
        ({"init": "perhaps"}, "bot.init: invalid type"),
        ({"read_only": "perhaps"}, "bot.read_only: invalid type"),
        ({"stop_grace_period": "60"}, "bot.stop_grace_period: "),
        ({"cap_drop": "ALL"}, "bot.cap_drop: invalid type"),
        ({"security_opt": "no-new-privileges:true"}, "bot.security_opt: invalid type"),
        ({"volumes": ["./user_data"]}, "bot.volumes[0]: "),
        ({"tmpfs": 7}, "bot.tmpfs: invalid type"),
        ({"logging": {"driver": "local", "options": ["a"]}}, "bot.logging.options: invalid type"),
        ({"env_file": 5}, "bot.env_file: invalid type"),
        ({"command": {"a": 1}}, "bot.command: invalid type"),
        ({"healthcheck": {**HEALTH, "retrys": 2}}, "bot.healthcheck: extension key `retrys`"),
        ({"healthcheck": {**HEALTH, "interval": "60"}}, "bot.healthcheck.interval: "),
        ({"healthcheck": {**HEALTH, "test": ["RUN", "x"]}}, "bot.healthcheck.test[0]: "),
    ],
)
def test_specification_when_a_service_breaks_it_then_key_and_reason_are_named(
    change: dict[str, object], fault: str
) -> None:
    whole = yaml.safe_load(COMPOSE)
    whole["services"]["bot"].update(change)
    assert fault in spec_fault(yaml.safe_dump(whole))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"user": "0:0"}, "runs as root"),
        ({"user": None}, "runs as root"),
        ({"read_only": False}, "may be written"),
        ({"tmpfs": []}, "temporary"),
        ({"cap_drop": []}, "capabilities"),
        ({"security_opt": []}, "privileges"),
        ({"mem_limit": None}, "memory"),
        ({"pids_limit": None}, "processes"),
        ({"env_file": "a.env"}, "keys"),
        ({"command": ["trade", "--key=abc", "API_KEY=abc"]}, "secrets"),
        ({"volumes": ["/:/host"]}, "mounts more"),
        ({"healthcheck": None}, "health"),
        ({"image": "breakwater:latest"}, "image"),
        ({"privileged": True}, "unknown"),
        ({"entrypoint": "freqtrade"}, "exec form"),
        ({"restart": "no"}, "started again"),
    ],
)
def test_rule_when_a_service_breaks_it_then_it_is_named(
    change: dict[str, object], fault: str
) -> None:
    service = {**services(COMPOSE)["bot"], **change}
    if change.get("user", "") is None:
        del service["user"]
    assert any(fault in said for said in service_faults("bot", service, f"breakwater:{VERSION}"))


def test_compose_when_parsed_then_services_share_their_restrictions_by_one_anchor() -> None:
    common = yaml.safe_load(COMPOSE)["x-common"]
    for service in services(COMPOSE).values():
        assert {k: service[k] for k in ("read_only", "cap_drop", "user", "image")} == {
            k: common[k] for k in ("read_only", "cap_drop", "user", "image")
        }
