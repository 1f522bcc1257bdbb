"""`vai spending`: what was spent on paid models, and what is left of the month's bound."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

import click

from vai.cli.options import json_option
from vai.cli.output import print_json, printable, table
from vai.errors import InvalidSettings
from vai.models.paying.ledger import Ledger, Spent
from vai.models.paying.spending import NANODOLLARS, dollars, ledger_path
from vai.settings import load_user_settings
from vai.types import Json

_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


@click.command()
@click.option("--month", metavar="YYYY-MM", help="Each day of this month.  [default: each month]")
@json_option
def spending(month: str | None, as_json: bool) -> int:
    """Show what was spent on paid models, by all runs of this user.

    Months and days are those of UTC. `max_usd_per_month` in the user's settings bounds a month.
    """
    if month is not None and not _MONTH.fullmatch(month):
        raise InvalidSettings(f"--month must be a year and a month, as in 2026-11: {month:.40}")
    most = load_user_settings(os.environ).max_usd_per_month
    ledger = Ledger(ledger_path(os.environ))
    listed = ledger.months() if month is None else ledger.days(month)
    now = ledger.this_month()
    spent = _usd(ledger.days(now))
    if as_json:
        print_json(
            {
                "schema": "vai.spending/1",
                "ledger": str(ledger.path),
                "month": month,
                "spending": [_row(entry) for entry in listed],
                "requests": sum(entry.requests for entry in listed),
                "tokens": sum(entry.tokens for entry in listed),
                "usd": _usd(listed),
                "this_month": {
                    "month": now,
                    "usd": spent,
                    "max_usd": most,
                    "left_usd": None if most is None else _left(most, spent),
                },
            }
        )
    else:
        click.echo(_text(listed, month))
        click.echo(_bound_text(now, spent, most))
    return 0


def _usd(entries: Sequence[Spent]) -> float:
    return sum(entry.nanodollars for entry in entries) / NANODOLLARS


def _left(most: float, spent: float) -> float:
    return max(0.0, round(most - spent, 9))


def _row(entry: Spent) -> dict[str, Json]:
    return {
        "month": entry.period[:7],
        "day": entry.period if len(entry.period) > 7 else None,
        "model": entry.model,
        "requests": entry.requests,
        "tokens": entry.tokens,
        "usd": _usd([entry]),
    }


def _text(listed: Sequence[Spent], month: str | None) -> str:
    if not listed:
        return "nothing has been spent yet" if month is None else f"nothing was spent in {month}"
    rows = [_cells(entry) for entry in listed]
    if len(rows) > 1:
        whole = Spent(
            "total",
            "",
            sum(entry.requests for entry in listed),
            sum(entry.tokens for entry in listed),
            sum(entry.nanodollars for entry in listed),
        )
        rows.append(_cells(whole))
    return table(["month" if month is None else "day", "model", "requests", "tokens", "price"], rows)


def _cells(entry: Spent) -> list[str]:
    price = dollars(_usd([entry]))
    return [entry.period, printable(entry.model), f"{entry.requests:,}", f"{entry.tokens:,}", price]


def _bound_text(month: str, spent: float, most: float | None) -> str:
    if most is None:
        return (
            f"\n{dollars(spent)} in {month}; no bound is set (`max_usd_per_month` in your settings sets one)"
        )
    return f"\n{dollars(spent)} of {dollars(most)} in {month}; {dollars(_left(most, spent))} are left"
