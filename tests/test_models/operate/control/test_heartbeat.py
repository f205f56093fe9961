"""The sign of life says what was refused, without a secret that an error repeated."""

from __future__ import annotations

from pathlib import Path

from models.operate.control.heartbeat import FILE, Heartbeat, beat, last_beat

SECRET = "qVx81-secret"
ANSWER = {"pair": "BTC/USDT:USDT", "rule": "guards", "why": f"asked with {SECRET}", "change": ""}


def test_heartbeat_when_texts_repeat_a_secret_then_the_file_has_none_and_the_rest_stays(
    tmp_path: Path,
) -> None:
    said = f"no answer, asked with {SECRET} at ?signature=abc123"
    sign = Heartbeat(
        time_ms=1, pid=2, loop=3, numbers={"equity": 1.5}, stopped=said, obstacles=[said],
        barred=[said], answers=[ANSWER],
    )  # fmt: skip
    beat(tmp_path, sign, [SECRET])
    written = (tmp_path / FILE).read_text(encoding="utf-8")
    assert SECRET not in written
    assert "abc123" not in written
    found = last_beat(tmp_path)
    assert found is not None
    assert found.numbers == {"equity": 1.5}
    assert found.barred == ["no answer, asked with *** at ?signature=***"]
    assert found.answers[0]["why"] == "asked with ***"
    beat(tmp_path, sign)  # control: nobody named the secret
    assert SECRET in (tmp_path / FILE).read_text(encoding="utf-8")
