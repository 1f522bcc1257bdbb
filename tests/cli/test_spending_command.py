"""`vai spending`: what was spent, by month or by day, and what is left of the month."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from command_line import Outcome, complaint
from command_line import vai as run
from json_contract import check
from vai.models.paying.ledger import Ledger
from vai.models.paying.spending import nanodollars


@pytest.fixture(autouse=True)
def ledger(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where spending is recorded."""
    path = tmp_path / "spending.db"
    monkeypatch.setenv("VAI_LEDGER", str(path))
    return path


@pytest.fixture
def spent(ledger: Path) -> str:
    """Some spending, in October 2020 and in the month that it is, which is returned."""
    this_month = datetime.now(UTC).strftime("%Y-%m")
    spend(ledger, "2020-10-02", "rerank-2.5", tokens=1_000, usd=0.00005)
    spend(ledger, "2020-10-02", "voyage-4", tokens=20_000, usd=0.0012)
    spend(ledger, "2020-10-31", "rerank-2.5", tokens=3_000, usd=0.00015)
    spend(ledger, f"{this_month}-01", "rerank-2.5", tokens=240, usd=0.000012)
    return this_month


def spend(path: Path, day: str, model: str, *, tokens: int, usd: float) -> None:
    ledger = Ledger(path, clock=datetime.fromisoformat(f"{day}T12:00+00:00").timestamp)
    ledger.settle(ledger.reserve(0), model, tokens, nanodollars(usd))


def spending(*arguments: str) -> Outcome:
    return run("spending", *arguments)


def test_nothing_spent_yet_is_said_and_no_error(ledger: Path) -> None:
    answer = spending()
    assert (answer.exit_code, answer.stderr) == (0, "")
    assert answer.stdout.startswith("nothing has been spent yet\n")
    assert not ledger.exists()


def test_each_month_is_shown_by_model(spent: str) -> None:
    answer = spending()
    assert (answer.exit_code, answer.stderr) == (0, "")
    assert answer.stdout == (
        "month    model       requests  tokens  price\n"
        "2020-10  rerank-2.5  2         4,000   $0.0002\n"
        "2020-10  voyage-4    1         20,000  $0.0012\n"
        f"{spent}  rerank-2.5  1         240     $0.000012\n"
        "total                4         24,240  $0.00141\n"
        f"\n$0.000012 in {spent}; no bound is set (`max_usd_per_month` in your settings sets one)\n"
    )


def test_a_month_is_shown_by_day(spent: str) -> None:
    answer = spending("--month", "2020-10")
    assert answer.stdout.splitlines()[:5] == [
        "day         model       requests  tokens  price",
        "2020-10-02  rerank-2.5  1         1,000   $0.00005",
        "2020-10-02  voyage-4    1         20,000  $0.0012",
        "2020-10-31  rerank-2.5  1         3,000   $0.00015",
        "total                   3         24,000  $0.0014",
    ]


def test_a_month_in_which_nothing_was_spent_says_so(spent: str) -> None:
    answer = spending("--month", "2019-01")
    assert answer.exit_code == 0
    assert answer.stdout.startswith("nothing was spent in 2019-01\n")


def test_what_is_left_of_the_months_bound_is_shown(spent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAI_MAX_USD_PER_MONTH", "5")
    assert spending().stdout.splitlines()[-1] == f"$0.000012 of $5.00 in {spent}; $5.00 are left"
    assert spending("--json").json["this_month"] == {
        "month": spent,
        "usd": 0.000012,
        "max_usd": 5.0,
        "left_usd": 4.999988,
    }


def test_json_has_a_row_for_each_month_and_model(spent: str, ledger: Path) -> None:
    answer = spending("--json").json
    check(answer)
    assert answer["spending"][1] == {
        "month": "2020-10",
        "day": None,
        "model": "voyage-4",
        "requests": 1,
        "tokens": 20_000,
        "usd": 0.0012,
    }
    del answer["spending"]
    assert answer == {
        "schema": "vai.spending/1",
        "ledger": str(ledger),
        "month": None,
        "requests": 4,
        "tokens": 24_240,
        "usd": 0.001412,
        "this_month": {"month": spent, "usd": 0.000012, "max_usd": None, "left_usd": None},
    }


def test_json_of_a_month_has_a_row_for_each_day_and_model(spent: str) -> None:
    answer = spending("--json", "--month", "2020-10").json
    assert [row["day"] for row in answer["spending"]] == ["2020-10-02", "2020-10-02", "2020-10-31"]
    assert (answer["month"], answer["usd"]) == ("2020-10", 0.0014)


def test_json_of_nothing_is_empty() -> None:
    answer = spending("--json")
    assert (answer.exit_code, answer.json["spending"], answer.json["usd"]) == (0, [], 0.0)


@pytest.mark.parametrize("month", ["2026", "2026-13", "2026-1", "november", "2020-10-02", ""])
def test_a_month_has_to_be_one(month: str) -> None:
    assert "--month must be a year and a month, as in 2026-11" in complaint(spending("--month", month), 2)


def test_a_damaged_ledger_is_one_sentence(ledger: Path) -> None:
    ledger.write_bytes(b"x" * 4096)
    said = complaint(spending(), 3)
    assert f"`{ledger}`, which records what is spent, is damaged" in said
    assert "move it away" in said
