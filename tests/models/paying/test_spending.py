"""What may be spent: bounds that hold before a request is sent, whoever else is spending, and a record of it."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machine import largest_file, nobody
from vai.errors import (
    BudgetSpent,
    InvalidSettings,
    StoreCorrupt,
    StoreFailure,
    StoreFull,
    StoreReadOnly,
    StoreTooNew,
)
from vai.models.paying.ledger import RESERVED_S, Ledger
from vai.models.paying.spending import NANODOLLARS, Purse, dollars, ledger_path, nanodollars
from vai.models.remote.http import Patience
from vai.models.remote.voyage_embedder import STEADY
from vai.settings import Settings

MODEL = "rerank-2.5"


class Clock:
    """A time that stands still until it is told otherwise."""

    def __init__(self, now: str) -> None:
        self.set(now)

    def set(self, now: str) -> None:
        self.seconds = datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp()

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "spending.db"


@pytest.fixture
def clock() -> Clock:
    return Clock("2026-11-30T12:00")


def pay(purse: Purse, at_most: float, usd: float, tokens: int = 10) -> None:
    with purse.paying(MODEL, at_most) as bill:
        bill.tokens, bill.usd = tokens, usd


def recorded(path: Path) -> float:
    """US dollars in the ledger, of all months."""
    return sum(entry.nanodollars for entry in Ledger(path).months()) / NANODOLLARS


# ── the bound of a run ──


def test_what_may_cost_more_than_is_left_is_refused_before_it_is_sent() -> None:
    purse = Purse(0.01)
    pay(purse, at_most=0.006, usd=0.004)
    with pytest.raises(BudgetSpent) as refused, purse.paying(MODEL, 0.0061):
        raise AssertionError("it was sent")
    assert refused.value.message == (
        "the next request to `rerank-2.5` may cost $0.0061, and of the $0.01 that this run may spend $0.004 are spent"
    )
    assert refused.value.hint is not None
    assert "--max-usd" in refused.value.hint
    pay(purse, at_most=0.006, usd=0.006)
    assert purse.spent == 0.01


def test_without_a_bound_everything_may_be_spent() -> None:
    purse = Purse()
    pay(purse, at_most=1000.0, usd=900.0)
    assert purse.spent == 900.0


def test_nothing_may_be_spent_where_the_bound_is_zero() -> None:
    with pytest.raises(BudgetSpent):
        pay(Purse(0.0), at_most=0.000001, usd=0.0)


def test_what_costs_nothing_is_neither_bounded_nor_recorded(path: Path) -> None:
    purse = Purse(0.0, max_usd_per_month=0.0, ledger=path)
    pay(purse, at_most=0.0, usd=0.0)
    assert not path.parent.exists()


def test_a_free_model_does_not_even_load_the_database() -> None:
    program = (
        "import sys\nfrom vai.models.paying.spending import NANODOLLARS, Purse, ledger_path\n"
        "with Purse(0.0, max_usd_per_month=1.0, ledger=ledger_path({})).paying('local', 0.0): pass\n"
        "print('sqlite3' in sys.modules)"
    )
    assert _python(program).communicate()[0] == "False\n"


def test_a_request_that_fails_costs_nothing(path: Path) -> None:
    purse = Purse(0.01, ledger=path)
    with pytest.raises(ConnectionError), purse.paying(MODEL, 0.01):
        raise ConnectionError
    assert (purse.spent, recorded(path)) == (0.0, 0.0)
    pay(purse, at_most=0.01, usd=0.01)


def test_a_request_that_fails_costs_what_the_bill_says_by_then(path: Path) -> None:
    purse = Purse(ledger=path)
    with pytest.raises(ConnectionError), purse.paying(MODEL, 0.01) as bill:
        bill.usd = bill.at_most
        raise ConnectionError
    assert (purse.spent, recorded(path)) == (0.01, 0.01)


@pytest.mark.parametrize("usd", [-0.01, float("nan"), float("inf")])
def test_a_bound_has_to_be_a_sum_of_money(usd: float) -> None:
    with pytest.raises(InvalidSettings, match="--max-usd must be a number of US dollars from 0"):
        Purse(usd)
    with pytest.raises(ValueError, match="not a sum of money"):
        nanodollars(usd)


def test_a_bound_per_month_needs_a_ledger() -> None:
    with pytest.raises(ValueError, match="ledger"):
        Purse(max_usd_per_month=1.0)


# ── several threads ──


def test_a_request_waits_for_those_under_way_that_may_turn_out_cheaper() -> None:
    """Two requests at $0.006 at most do not fit $0.01 at once; both do once the first has cost $0.004."""
    purse, sent, answered = Purse(0.01), threading.Event(), threading.Event()

    def first() -> None:
        with purse.paying(MODEL, 0.006) as bill:
            sent.set()
            answered.wait(10)
            bill.usd = 0.004

    thread = threading.Thread(target=first)
    thread.start()
    sent.wait(10)
    with contextlib.suppress(BudgetSpent):  # one that can never fit does not wait
        pay(purse, at_most=0.011, usd=0.0)
        raise AssertionError("it was sent")
    threading.Timer(0.01, answered.set).start()
    pay(purse, at_most=0.006, usd=0.006)
    thread.join()
    assert purse.spent == 0.01


def test_one_who_is_waited_for_does_not_wait_himself() -> None:
    purse = Purse(0.01)
    with purse.paying(MODEL, 0.006), pytest.raises(BudgetSpent, match=r"\$0.006 are reserved"):
        pay(purse, at_most=0.006, usd=0.006)


def test_threads_together_spend_all_that_there_is_and_no_more(path: Path) -> None:
    purse = Purse(max_usd_per_month=0.01, ledger=path)
    refused: list[BudgetSpent] = []

    def ask() -> None:
        for _ in range(5):
            try:
                pay(purse, at_most=0.002, usd=0.001)
            except BudgetSpent as refusal:
                refused.append(refusal)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(refused), purse.spent, recorded(path)) == (11, 0.009, 0.009)


# ── the bound of a month ──


def test_what_earlier_runs_spent_counts(path: Path, clock: Clock) -> None:
    pay(Purse(ledger=path, clock=clock), at_most=0.9, usd=0.8)
    purse = Purse(max_usd_per_month=1.0, ledger=path, clock=clock)
    with pytest.raises(BudgetSpent) as refused:
        pay(purse, at_most=0.3, usd=0.1)
    assert refused.value.message == (
        "the next request to `rerank-2.5` may cost $0.30, and of the $1.00 that may be spent in 2026-11 $0.80 are spent"
    )
    assert refused.value.hint is not None
    assert "max_usd_per_month" in refused.value.hint


def test_a_new_month_begins_with_nothing_spent(path: Path, clock: Clock) -> None:
    purse = Purse(max_usd_per_month=1.0, ledger=path, clock=clock)
    pay(purse, at_most=1.0, usd=1.0)
    clock.set("2026-11-30T23:59:59")
    with pytest.raises(BudgetSpent):
        pay(purse, at_most=0.1, usd=0.1)
    clock.set("2026-12-01T00:00:00")
    pay(purse, at_most=0.1, usd=0.1)
    assert [(entry.period, entry.nanodollars / NANODOLLARS) for entry in Ledger(path).months()] == [
        ("2026-11", 1.0),
        ("2026-12", 0.1),
    ]


def test_a_request_counts_on_the_day_it_was_sent(path: Path, clock: Clock) -> None:
    """Else the bound of the new month, which was not asked, could be passed."""
    clock.set("2026-11-30T23:59:59")
    with Purse(ledger=path, clock=clock).paying(MODEL, 0.1) as bill:
        clock.set("2026-12-01T00:00:01")
        bill.usd = 0.1
    assert [entry.period for entry in Ledger(path).days("2026-11")] == ["2026-11-30"]


def test_a_day_is_one_entry_for_each_model_however_much_was_asked(path: Path, clock: Clock) -> None:
    purse = Purse(ledger=path, clock=clock)
    for _ in range(5):
        pay(purse, at_most=0.00001, usd=0.000002, tokens=100)
    with purse.paying("voyage-4", 0.01) as bill:
        bill.tokens, bill.usd = 7, 0.01
    assert [
        (entry.period, entry.model, entry.requests, entry.tokens, entry.nanodollars)
        for entry in Ledger(path).days("2026-11")
    ] == [("2026-11-30", MODEL, 5, 500, 10_000), ("2026-11-30", "voyage-4", 1, 7, 10_000_000)]


# ── several processes ──

SPENDER = """
import os, sys
from pathlib import Path
from vai.errors import BudgetSpent
from vai.models.paying.spending import Purse
purse = Purse(max_usd_per_month=0.02, ledger=Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
sent = 0
for _ in range(20):
    try:
        with purse.paying("rerank-2.5", 0.001) as bill:
            bill.tokens, bill.usd = 10, 0.001
        sent += 1
    except BudgetSpent:
        pass
print(sent)
"""

HOLDER = """
import sys
from pathlib import Path
from vai.models.paying.spending import Purse
with Purse(max_usd_per_month=0.02, ledger=Path(sys.argv[1])).paying("rerank-2.5", 0.02):
    print("sent", flush=True)
    sys.stdin.readline()
"""


def _python(program: str, *arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_that_race_spend_all_that_there_is_and_no_more(path: Path) -> None:
    """What they say they spent, and what is recorded, is at most the bound."""
    processes = [_python(SPENDER, path) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    sent = [int(process.communicate()[0]) for process in processes]
    assert sum(sent) == 20
    assert recorded(path) == 0.02


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process with a request under way that takes all there is."""
    process = _python(HOLDER, path)
    assert process.stdout is not None
    assert process.stdout.readline() == "sent\n"
    yield process
    process.kill()
    process.communicate()


def test_what_another_process_has_reserved_is_not_left(path: Path, holder: subprocess.Popen[str]) -> None:
    purse = Purse(max_usd_per_month=0.02, ledger=path)
    with pytest.raises(BudgetSpent, match=r"\$0.02 are reserved by requests under way"):
        pay(purse, at_most=0.001, usd=0.001)
    holder.communicate("done\n")
    pay(purse, at_most=0.02, usd=0.02)


def test_what_a_killed_process_had_reserved_is_free_again(path: Path, holder: subprocess.Popen[str]) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    pay(Purse(max_usd_per_month=0.02, ledger=path), at_most=0.02, usd=0.02)
    assert recorded(path) == 0.02


def test_a_reservation_that_nobody_gave_back_is_free_after_some_minutes(path: Path, clock: Clock) -> None:
    """Of a process on another machine, of which nothing can be known."""
    Ledger(path, clock=clock).reserve(nanodollars(1.0))
    purse = Purse(max_usd_per_month=1.0, ledger=path, clock=clock)
    clock.seconds += RESERVED_S
    with pytest.raises(BudgetSpent):
        pay(purse, at_most=0.1, usd=0.1)
    clock.seconds += 1
    pay(purse, at_most=0.1, usd=0.1)


@pytest.mark.parametrize("patience", [Patience(), STEADY], ids=["queries", "documents"])
def test_no_request_outlives_its_reservation(patience: Patience) -> None:
    """However often it is tried, if every attempt and every wait takes as long as it may."""
    waits = patience.longest_wait_s + patience.first_wait_s
    assert patience.attempts * (patience.timeout_s + waits) < RESERVED_S


def test_an_answer_that_comes_after_its_reservation_was_given_up_is_recorded(
    path: Path, clock: Clock
) -> None:
    purse = Purse(ledger=path, clock=clock)
    with purse.paying(MODEL, 0.1) as bill:
        clock.seconds += RESERVED_S + 1
        pay(purse, at_most=0.1, usd=0.0, tokens=0)
        bill.usd = 0.1
    assert recorded(path) == 0.1


# ── a ledger that cannot be used ──


def test_a_damaged_ledger_is_an_error_in_one_sentence_where_there_is_a_bound(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database, but long enough to be taken for one" * 100)
    with pytest.raises(StoreCorrupt) as failed:
        pay(Purse(max_usd_per_month=1.0, ledger=path), at_most=0.1, usd=0.1)
    assert failed.value.message == (
        f"`{path}`, which records what is spent, is damaged (file is not a database)"
    )
    assert failed.value.hint is not None
    assert "move it away" in failed.value.hint
    assert "max_usd_per_month" in failed.value.hint


def test_without_a_bound_a_damaged_ledger_is_a_warning_that_is_given_once(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"x" * 4096)
    purse = Purse(0.3, ledger=path)
    pay(purse, at_most=0.1, usd=0.1)
    pay(purse, at_most=0.1, usd=0.1)
    assert purse.spent == 0.2
    assert purse.warnings == (
        f"what this run spends is not recorded: `{path}`, which records what is spent, is damaged "
        "(file is not a database)",
    )


def test_another_programs_database_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE bookmarks (address TEXT)")
    before = path.read_bytes()
    with pytest.raises(StoreCorrupt, match="another program"):
        Ledger(path).reserve(1)
    with pytest.raises(StoreCorrupt, match="another program"):
        Ledger(path).months()
    assert path.read_bytes() == before


def test_a_ledger_of_a_later_version_is_left_alone(path: Path) -> None:
    pay(Purse(ledger=path), at_most=0.1, usd=0.1)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 2")
    with pytest.raises(StoreTooNew, match="format 2"):
        pay(Purse(max_usd_per_month=1.0, ledger=path), at_most=0.1, usd=0.1)


def test_a_ledger_that_cannot_be_written_to_is_an_error_only_where_there_is_a_bound(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    tmp_path.chmod(0o555)
    path = tmp_path / "spending.db"
    bounded, unbounded = Purse(max_usd_per_month=1.0, ledger=path), Purse(ledger=path)
    pay(Purse(ledger=tmp_path / "warm" / "spending.db"), 0.1, 0.1)
    with nobody():
        with pytest.raises(StoreReadOnly, match="cannot be written to"):
            pay(bounded, at_most=0.1, usd=0.1)
        pay(unbounded, at_most=0.1, usd=0.1)
    assert len(unbounded.warnings) == 1


def test_a_full_disk_is_an_error_where_there_is_a_bound(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def on_a_full_disk(*args: Any, **options: Any) -> sqlite3.Connection:
        database: sqlite3.Connection = connect(*args, **options)
        database.execute("PRAGMA max_page_count = 1")
        return database

    monkeypatch.setattr(sqlite3, "connect", on_a_full_disk)
    with pytest.raises(StoreFull, match="no room"):
        pay(Purse(max_usd_per_month=1.0, ledger=path), at_most=0.1, usd=0.1)


def test_a_disk_that_fails_is_an_error_where_there_is_a_bound(path: Path) -> None:
    with largest_file(100), pytest.raises(StoreFailure, match="cannot be read or written"):
        pay(Purse(max_usd_per_month=1.0, ledger=path), at_most=0.1, usd=0.1)


def test_an_answer_that_was_paid_is_kept_where_it_cannot_be_recorded(path: Path) -> None:
    purse = Purse(max_usd_per_month=1.0, ledger=path)
    with purse.paying(MODEL, 0.1) as bill:
        path.write_bytes(b"x" * 8192)
        bill.usd = 0.1
    assert purse.spent == 0.1
    assert "not recorded" in purse.warnings[0]
    with pytest.raises(StoreCorrupt):
        pay(purse, at_most=0.1, usd=0.1)


# ── whatever is done ──

REQUESTS = st.lists(
    st.tuples(
        st.integers(0, 400_000_000),  # nano-dollars at most
        st.floats(0.0, 1.0),  # the share of it that it did cost
        st.sampled_from(["answered", "failed", "nested"]),
    ),
    max_size=8,
)


@settings(max_examples=25)
@given(requests=REQUESTS)
def test_what_is_recorded_never_passes_the_bound(
    tmp_path_factory: pytest.TempPathFactory, requests: list[tuple[int, float, str]]
) -> None:
    """As long as no request costs more than it may at most; and what is recorded is what was paid."""
    path = tmp_path_factory.mktemp("ledger") / "spending.db"
    purses = [Purse(0.7, max_usd_per_month=1.0, ledger=path) for _ in range(2)]
    with contextlib.ExitStack() as under_way:
        for number, (amount, share, ending) in enumerate(requests):
            at_most = amount / NANODOLLARS
            purse = purses[number % 2]
            with contextlib.suppress(BudgetSpent, ConnectionError):
                if ending == "nested":
                    under_way.enter_context(purse.paying(MODEL, at_most)).usd = at_most * share
                    continue
                with purse.paying(MODEL, at_most) as bill:
                    if ending == "failed":
                        raise ConnectionError
                    bill.usd = at_most * share
    assert recorded(path) <= 1.0
    assert all(purse.spent <= 0.7 for purse in purses)
    assert recorded(path) == pytest.approx(sum(purse.spent for purse in purses), abs=1e-12)


# ── places and forms ──


def test_the_ledger_is_the_users_own_or_the_file_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    own = ledger_path({})
    assert tmp_path in own.parents
    assert (own.parent.name, own.name) == ("vai", "spending.db")
    assert ledger_path({"VAI_LEDGER": str(tmp_path / "shared.db")}) == tmp_path / "shared.db"
    assert ledger_path({"VAI_LEDGER": "~/shared.db"}) == tmp_path / "shared.db"
    with pytest.raises(InvalidSettings, match="VAI_LEDGER names no file"):
        ledger_path({"VAI_LEDGER": "~nobody-of-that-name/shared.db"})


def test_a_purse_takes_the_bound_of_a_month_from_the_settings(path: Path) -> None:
    purse = Purse.configured(Settings(max_usd_per_month=0.5), {"VAI_LEDGER": str(path)})
    with pytest.raises(BudgetSpent, match=r"\$0.50"):
        pay(purse, at_most=0.6, usd=0.1)


@pytest.mark.parametrize(
    ("usd", "written"),
    [
        (0.0, "$0.00"),
        (0.000012, "$0.000012"),
        (0.00001234, "$0.0000123"),
        (0.000000001, "$0.000000001"),
        (0.0995, "$0.0995"),
        (0.5, "$0.50"),
        (0.125, "$0.125"),
        (0.9999, "$1.00"),
        (1.0, "$1.00"),
        (1234.567, "$1,234.57"),
    ],
)
def test_sums_are_written_with_cents_or_the_digits_that_say_something(usd: float, written: str) -> None:
    assert dollars(usd) == written
