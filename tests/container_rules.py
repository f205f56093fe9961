"""What an image and its services must be: pinned, without root, secrets or a filesystem to write.

Read from the text of a Dockerfile and a compose file; no engine runs where these tests do. Beside
our own rules, the compose specification's as a library knows them, and those of a linter.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from compose_spec import PyCompose

_PINNED: Final = re.compile(r"[\w./-]+:\d[\w.]*(@sha256:[0-9a-f]{64})?")
_SECRET: Final = re.compile(r"(?i)(key|secret|token|password)\w*\s*[=:]\s*\S")
_ROOT: Final = ("root", "0", "0:0", "")
# Of the compose specification, what these files use; another word is a typing error.
_SERVICE: Final = frozenset({
    "image", "pull_policy", "user", "read_only", "tmpfs", "cap_drop", "security_opt", "env_file",
    "volumes", "restart", "init", "stop_grace_period", "logging", "entrypoint", "command",
    "mem_limit", "pids_limit", "healthcheck",
})  # fmt: skip
_HEALTH: Final = frozenset({"test", "interval", "timeout", "start_period", "retries"})
_MEMORY: Final = re.compile(r"\d+[mg]")
_SPAN: Final = re.compile(r"\d+s")


def instructions(text: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile: word and what follows, over continued lines."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    whole = "\n".join(lines).replace("\\\n", " ")
    return [
        (word.upper(), rest.strip())
        for word, _, rest in (line.strip().partition(" ") for line in whole.splitlines())
    ]


def image_faults(text: str, freqtrade: str, wheel: str) -> list[str]:
    """Return what is wrong with a Dockerfile.

    Parameters
    ----------
    freqtrade
        Version the pack needs.
    wheel
        Name of the pack's wheel.
    """
    steps = instructions(text)
    return [
        *_base_faults(steps, freqtrade),
        *(f"{word} is not one of the words used here" for word, _ in steps if word not in _WORDS),
        *_install_faults(steps, wheel),
        *(f"a secret: {rest}" for word, rest in steps if word != "RUN" and _SECRET.search(rest)),
        *([] if _last(steps, "USER") not in _ROOT else ["the last USER is root, or none"]),
        *([] if _last(steps, "ENTRYPOINT").startswith("[") else ["no ENTRYPOINT in exec form"]),
    ]


_WORDS: Final = frozenset({"FROM", "USER", "COPY", "RUN", "WORKDIR", "ENV", "ENTRYPOINT", "CMD"})


def linted(text: str) -> list[str]:
    """Return what a linter has against a Dockerfile, each beginning with its rule."""
    hadolint = [str(Path(sys.executable).with_name("hadolint")), "--no-color", "-"]
    done = subprocess.run(hadolint, input=text, capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    return [line.partition(" ")[2] for line in done.stdout.splitlines()]


def spec_fault(text: str) -> str:
    """Return what the compose specification has against a file, nothing if it is one."""
    whole = yaml.safe_load(text)  # common parts merged in, which is YAML's own
    try:
        PyCompose.from_yaml(yaml.safe_dump(whole))
    except ValueError as error:
        return str(error)
    return ""


def _base_faults(steps: list[tuple[str, str]], freqtrade: str) -> Iterator[str]:
    if not steps or steps[0][0] != "FROM":
        yield "the first instruction is no FROM"
    for _, base in (step for step in steps if step[0] == "FROM"):
        if not _PINNED.fullmatch(base):
            yield f"not pinned: {base}"
        elif base.partition(":")[2].partition("@")[0] != freqtrade:
            yield f"expected Freqtrade {freqtrade}, got {base}"


def _install_faults(steps: list[tuple[str, str]], wheel: str) -> Iterator[str]:
    runs = [rest for word, rest in steps if word == "RUN"]
    commands = [part.strip() for run in runs for part in run.split("&&")]
    for command in commands:
        if re.search(r"\bpip install\b", command):
            locked = "--require-hashes" in command and "--no-deps" in command
            own = "--no-index" in command and "--no-deps" in command and command.endswith(wheel)
            if not (locked or own):
                yield f"may bring what nobody locked: {command}"
        if re.search(r"\b(sudo|apt-get|curl|wget)\b|chmod .*777", command):
            yield f"not needed: {command}"
    if "pip check" not in commands:
        yield "nobody looks whether the versions fit together: pip check"
    for word, rest in steps:
        if word == "ADD" or (
            word == "COPY" and re.search(r"(^|\s)(\.|\*|user_data\S*)(\s|$)", rest)
        ):
            yield f"copies more than it names: {rest}"


def _last(steps: list[tuple[str, str]], wanted: str) -> str:
    return next((rest for word, rest in reversed(steps) if word == wanted), "")


def services(text: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the services of a compose file, their common part merged in."""
    found: Mapping[str, Mapping[str, Any]] = yaml.safe_load(text)["services"]
    return found


def service_faults(name: str, service: Mapping[str, Any], image: str) -> list[str]:
    """Return what is wrong with a service."""
    health = service.get("healthcheck") or {}
    volumes = service.get("volumes") or ()
    checks = {
        f"unknown: {sorted(set(service) - _SERVICE)}": set(service) <= _SERVICE,
        f"image {service.get('image')}, not {image}": service.get("image") == image,
        "runs as root": str(service.get("user", "")).partition(":")[0] not in _ROOT,
        "its root filesystem may be written": service.get("read_only") is True,
        "nowhere to put a temporary file": any(
            str(t).startswith("/tmp") for t in service.get("tmpfs") or ()
        ),
        "keeps capabilities": service.get("cap_drop") == ["ALL"],
        "may gain privileges": "no-new-privileges:true" in (service.get("security_opt") or ()),
        "no limit of memory": bool(_MEMORY.fullmatch(str(service.get("mem_limit", "")))),
        "no limit of processes": isinstance(service.get("pids_limit"), int),
        "secrets in the file": not _SECRET.search(str({**service, "env_file": ""})),
        "keys from somewhere else": service.get("env_file") == "keys.env",
        "not started again": service.get("restart") == "always",
        "mounts more than user_data": list(volumes) == ["./user_data:/freqtrade/user_data"],
        "no check of its health": bool(health.get("test")) and set(health) == _HEALTH,
        "a time without a unit": all(
            _SPAN.fullmatch(str(health.get(n, ""))) for n in ("interval", "timeout", "start_period")
        ),
        "not in exec form": all(
            isinstance(service.get(n), list) for n in ("entrypoint", "command")
        ),
    }  # fmt: skip
    return [f"{name}: {fault}" for fault, holds in checks.items() if not holds]
