"""How an estimate of what something would cost looks on a terminal."""

from __future__ import annotations

import click

from vai.cli.output import print_json, printable, table
from vai.models.paying.spending import dollars
from vai.types import CallEstimate, Estimate


def print_estimate(estimate: Estimate, *, as_json: bool) -> None:
    """The estimate on standard output."""
    if as_json:
        print_json(estimate.to_dict())
    else:
        click.echo(estimate_text(estimate))


def estimate_text(estimate: Estimate) -> str:
    """The whole price, what each model has to do with it, and what to know besides; nothing has been spent."""
    lines = [_conclusion(estimate)]
    if estimate.calls:
        header = ["stage", "model", "requests", "tokens", "price", "at most"]
        lines += ["", table(header, [_row(call) for call in estimate.calls])]
    if estimate.notes:
        lines += ["", *(printable(note) for note in estimate.notes)]
    return "\n".join(lines)


def _conclusion(estimate: Estimate) -> str:
    if estimate.usd is None or estimate.usd_at_most is None:
        return "what it would cost is not known"
    if estimate.usd_at_most == 0:
        return "it would cost nothing"
    return f"it would cost about {dollars(estimate.usd)}, and {dollars(estimate.usd_at_most)} at most"


def _row(call: CallEstimate) -> list[str]:
    prices = ["not known" if usd is None else dollars(usd) for usd in (call.usd, call.usd_at_most)]
    return [call.stage, printable(call.model), f"{call.requests:,}", f"about {call.tokens:,}", *prices]
