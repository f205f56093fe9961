"""The journal: no line changes, moves or goes unnoticed, and a kill harms nothing."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest

from models.base.errors import ControlError, InputError
from models.operate.journal.chain import GENESIS
from models.operate.journal.journal import TORN, Journal, Verification
from models.operate.journal.records import (
    ControlChange,
    DecisionRecord,
    Incident,
    OrderFilled,
    plain,
)

SECRET = "k3y-of-the-exchange"


class Clock:
    now = 1_700_000_000_000

    def __call__(self) -> int:
        self.now += 1000
        return self.now


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal", Clock(), secrets=[SECRET, ""])


def fill(journal: Journal, lines: int) -> None:
    for i in range(lines):
        journal.append("test.line", Incident(what=f"line {i + 1}"))


def lines(journal: Journal) -> list[bytes]:
    (path,) = journal.folder.glob("journal-*.jsonl")
    return path.read_bytes().splitlines(keepends=True)


def rewrite(journal: Journal, kept: list[bytes]) -> None:
    (path,) = journal.folder.glob("journal-*.jsonl")
    path.write_bytes(b"".join(kept))


def again(journal: Journal) -> Journal:
    """Return the journal as another process opens it."""
    return Journal(journal.folder, journal.clock, max_bytes=journal.max_bytes)


def test_journal_when_written_then_each_line_is_readable_and_the_chain_holds(
    journal: Journal,
) -> None:
    fill(journal, 3)
    rows = [json.loads(line) for line in lines(journal)]
    assert [row["n"] for row in rows] == [1, 2, 3]
    assert rows[0]["time"] == "2023-11-14T22:13:21.000Z"
    assert [row["prev"] for row in rows] == [GENESIS, rows[0]["hash"], rows[1]["hash"]]
    assert journal.verify() == Verification(
        lines=3, files=1, first=1, first_ms=rows[0]["ms"], torn=False, head=rows[2]["hash"]
    )


def test_journal_when_never_written_then_it_is_sound_and_empty(journal: Journal) -> None:
    assert journal.verify() == Verification(
        lines=0, files=0, first=None, first_ms=None, torn=False, head=GENESIS
    )
    assert journal.entries() == []


def damaged(rows: list[bytes]) -> dict[str, list[bytes]]:
    changed = rows[2].replace(b"line 3", b"line x")
    return {
        "line 3: was changed": [*rows[:2], changed, *rows[3:]],
        "line 3: has number 4 after 2": [*rows[:2], *rows[3:]],
        "line 1: has number 2 where the journal begins": rows[1:],
        "line 4: has number 3 after 3": [*rows[:3], rows[2], *rows[3:]],
        "line 2: has number 3 after 1": [rows[0], rows[2], rows[1], *rows[3:]],
        "line 5: is not a journal line": [*rows[:4], b"garbage\n", *rows[4:]],
        "lines up to 6 were written, the journal ends at line 5": rows[:5],
        "the journal ends at line 0": [],
        # A space inside a line changes no value, and is a change.
        "line 4: was changed after": [*rows[:3], rows[3].replace(b":", b": ", 1), *rows[4:]],
    }


@pytest.mark.parametrize("said", damaged([b""] * 6))
def test_verify_when_a_line_was_tampered_with_then_it_is_named(journal: Journal, said: str) -> None:
    fill(journal, 6)
    rewrite(journal, damaged(lines(journal))[said])
    assert said in again(journal).verify().fault


def test_verify_when_any_one_byte_was_changed_then_it_is_found(journal: Journal) -> None:
    fill(journal, 3)
    whole = b"".join(lines(journal))
    for i in range(len(whole) - 1):
        rewrite(journal, [whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :]])
        assert journal.verify().fault, (i, whole[i : i + 1])
    rewrite(journal, [whole])
    assert not journal.verify().fault


def test_verify_when_the_last_lines_were_forged_then_the_head_tells(journal: Journal) -> None:
    fill(journal, 3)
    forger = Journal(journal.folder.parent / "forged", journal.clock)
    fill(forger, 3)
    rewrite(journal, lines(forger))
    assert "line 3 was replaced" in again(journal).verify().fault
    with pytest.raises(ControlError, match="line 3 was replaced"):
        fill(again(journal), 1)


def test_verify_when_even_the_head_was_forged_then_one_written_down_elsewhere_tells(
    journal: Journal,
) -> None:
    fill(journal, 2)
    kept = journal.verify().head
    fill(journal, 2)
    assert journal.verify(expect=kept).fault == ""
    forger = Journal(journal.folder.parent / "forged", journal.clock)
    fill(forger, 4)
    assert forger.verify().fault == ""
    assert "the journal was rewritten" in forger.verify(expect=kept).fault


@pytest.mark.parametrize("head", [None, b"", b"{}", b'{"n": "x"}'])
def test_journal_when_its_head_is_gone_or_broken_then_it_says_so_and_takes_no_more(
    journal: Journal, head: bytes | None
) -> None:
    fill(journal, 2)
    path = journal.folder / "head.json"
    path.unlink()
    if head is not None:
        path.write_bytes(head)
    assert "head.json" in journal.verify().fault
    with pytest.raises(ControlError, match=r"head\.json"):
        fill(again(journal), 1)


def test_append_when_lines_were_cut_off_then_it_refuses_and_says_what_to_do(
    journal: Journal,
) -> None:
    fill(journal, 4)
    rewrite(journal, lines(journal)[:3])
    with pytest.raises(ControlError, match="journal ends at line 3: it was cut") as raised:
        fill(again(journal), 1)
    assert "keep the folder as evidence" in str(raised.value)


def test_append_when_the_last_write_was_torn_anywhere_then_it_is_cut_off_noted_and_continued(
    journal: Journal,
) -> None:
    fill(journal, 2)
    rows = lines(journal)
    head = (journal.folder / "head.json").read_bytes()
    fill(journal, 1)
    third = lines(journal)[2]
    for cut in range(1, len(third)):  # killed between the write and its end: head not written yet
        rewrite(journal, [*rows, third[:cut]])
        (journal.folder / "head.json").write_bytes(head)
        found = again(journal).verify()
        assert (found.fault, found.torn, found.lines) == ("", True, 2)
        entry = again(journal).append("test.line", Incident(what="next"))
        assert entry.n == 4
        note = json.loads(lines(journal)[2])
        assert (note["kind"], f"{cut} bytes" in note["record"]["detail"]) == (TORN, True)
        assert again(journal).verify().fault == ""


def test_append_when_a_whole_line_lost_its_end_then_it_is_a_cut_and_no_torn_write(
    journal: Journal,
) -> None:
    fill(journal, 3)
    rows = lines(journal)
    rewrite(journal, [*rows[:2], rows[2][:-5]])
    assert "it was cut" in journal.verify().fault


def test_append_when_killed_before_the_head_was_written_then_the_chain_goes_on(
    journal: Journal,
) -> None:
    fill(journal, 2)
    head = (journal.folder / "head.json").read_bytes()
    fill(journal, 1)
    (journal.folder / "head.json").write_bytes(head)
    fill(again(journal), 1)
    assert (again(journal).verify().fault, again(journal).verify().lines) == ("", 4)


def test_append_when_not_durable_then_the_line_is_in_the_chain_all_the_same(
    journal: Journal,
) -> None:
    journal.append("loop", Incident(what="a"), durable=False)
    journal.append("loop", Incident(what="b"), durable=False)
    fill(journal, 1)
    assert (journal.verify().fault, journal.verify().lines) == ("", 3)


def test_rotation_when_a_file_is_full_then_the_chain_runs_through_all_files(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path / "j", Clock(), max_bytes=1000)
    fill(journal, 5)
    fill(again(journal), 5)
    files = sorted(p.name for p in journal.folder.glob("*.jsonl"))
    assert len(files) >= 3
    assert files[0] == "journal-000001.jsonl"
    assert (journal.verify().fault, journal.verify().lines) == ("", 10)
    (journal.folder / files[0]).unlink()  # archived: what is left still hangs together
    assert journal.verify().fault == ""
    assert journal.verify().first != 1
    (journal.folder / files[1]).rename(tmp_path / "gone")
    fill(again(journal), 1)
    if len(files) > 3:
        assert journal.verify().fault == ""


def test_journal_when_many_threads_write_then_every_line_is_there_once(journal: Journal) -> None:
    def work(name: str) -> None:
        mine = again(journal)
        for i in range(25):
            mine.append(f"thread.{name}", Incident(what=str(i)))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (journal.verify().fault, journal.verify().lines) == ("", 75)
    for name in "abc":
        found = journal.entries(kind=f"thread.{name}")
        assert [e.record["what"] for e in found] == [str(i) for i in range(25)]


# -- what is in a line --------------------------------------------------------------------------


def decision(**changes: object) -> DecisionRecord:
    values = {"action": "enter", "pair": "BTC/USDT:USDT", "side": "long", "reason": ""}
    return DecisionRecord(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        f"https://x/order?a=1&apiKey={SECRET}",
        "GET /fapi?timestamp=1&signature=9f86d081884c7d65 failed",
        "X-MBX-APIKEY: 'aB3dE5'",
        '{"secret": "aB3dE5"}',
        "https://api.telegram.org/bot123456789:AAE_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/getMe",
    ],
)
def test_record_when_a_text_holds_a_secret_then_the_file_does_not(
    journal: Journal, text: str
) -> None:
    journal.append("x", decision(reason=text, rules=(text,), inputs={text: 1.0}))
    kept = b"".join(lines(journal)).decode()
    for secret in (SECRET, "9f86d081884c7d65", "aB3dE5", "AAE_aaaa"):
        assert secret not in kept


def test_record_when_its_numbers_are_not_json_then_they_are_kept_as_text() -> None:
    made = plain(decision(inputs={"a": float("nan"), "b": float("inf"), "c": np.float64(0.5)}))
    assert made["inputs"] == {"a": "nan", "b": "inf", "c": 0.5}
    assert type(made["inputs"]["c"]) is float


@pytest.mark.parametrize("value", [b"raw", object(), {1, 2}, ValueError("x"), np.float32(1)])
def test_record_when_a_field_is_not_plain_then_it_is_refused(
    journal: Journal, value: object
) -> None:
    with pytest.raises(InputError, match="expected plain values"):
        journal.append("x", decision(reason=value))
    with pytest.raises(InputError, match="expected a record"):
        journal.append("x", {"config": {"key": SECRET}})  # type: ignore[arg-type]
    assert journal.verify().lines == 0


# -- asking -------------------------------------------------------------------------------------


def test_entries_when_asked_for_the_newest_then_older_files_are_not_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", Clock(), max_bytes=1000)
    written = [journal.append("entry.refused", decision(reason=f"no. {i}")) for i in range(20)]
    files = sorted(journal.folder.glob("journal-*.jsonl"))
    assert len(files) > 3
    for entry in written:
        assert journal.entries(since_ms=entry.time_ms) == written[entry.n - written[0].n :]
    newest = files[-1].read_bytes().splitlines(keepends=True)[-1]
    files[0].write_bytes(files[0].read_bytes() + newest)  # found twice if it were read
    assert journal.entries(since_ms=written[-1].time_ms) == written[-1:]


def test_entries_when_asked_by_kind_pair_time_and_number_then_only_those_come(
    journal: Journal,
) -> None:
    btc = journal.append("entry.refused", decision(reason="net exposure"))
    eth = journal.append("entry.accepted", decision(pair="ETH/USDT:USDT"))
    word = journal.append(
        "control",
        ControlChange(command="halt", by="ann", reason="", before="ACTIVE", after="HALTED"),
    )
    assert journal.entries() == [btc, eth, word]
    assert journal.entries(kind="entry") == [btc, eth]
    assert journal.entries(kind="entry.refused") == [btc]
    assert journal.entries(kind="ent") == []
    assert journal.entries(pair="ETH/USDT:USDT") == [eth]
    assert journal.entries(since_ms=eth.time_ms) == [eth, word]
    assert journal.entries(until_ms=eth.time_ms) == [btc]
    assert journal.entries(limit=1) == [word]
    assert journal.entries(limit=0) == []


def test_why_when_asked_for_a_trade_then_the_decision_before_it_had_a_number_comes_too(
    journal: Journal,
) -> None:
    fill(journal, 1)
    led = journal.append("entry.accepted", decision(forecast={"p_up": 0.6}))
    journal.append("entry.accepted", decision(pair="ETH/USDT:USDT"))
    order = journal.append(
        "order.filled",
        OrderFilled(trade_id=7, pair="BTC/USDT:USDT", side="buy", order_id="1", amount_base=1.0,
                    rate=100.0, opens=True, decision=led.n),
    )  # fmt: skip
    assert journal.why(7) == [led, order]
    assert journal.why(8) == []
