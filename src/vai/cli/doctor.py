"""`vai doctor`: what works here, what is missing and how to get it."""

from __future__ import annotations

from pathlib import Path

import click

from vai.cli.options import json_option, store_option
from vai.cli.output import is_coloured, print_json, styled
from vai.collection import located_store
from vai.diagnosis import Finding, diagnose
from vai.types import Json
from vai.types import as_json as to_json

_SIGNS = {"fine": ("ok", "green"), "note": ("note", "yellow"), "fault": ("FAULT", "red")}


@click.command()
@store_option
@click.option("--check", is_flag=True, help="Verify every byte of the store too.")
@json_option
def doctor(store: Path, check: bool, as_json: bool) -> int:
    """Say what is missing here, and how to get it."""
    findings = diagnose(located_store(store), verify_store=check)
    faults = any(finding.state == "fault" for finding in findings)
    if as_json:
        listed: list[Json] = [to_json(finding) for finding in findings]
        print_json({"schema": "vai.doctor/1", "fine": not faults, "findings": listed})
    else:
        click.echo("\n".join(_line(finding) for finding in findings))
    return 1 if faults else 0


def _line(finding: Finding) -> str:
    sign, colour = _SIGNS[finding.state]
    hint = f"\n       hint: {finding.hint}" if finding.hint else ""
    return (
        f"{styled(f'{sign:5}', coloured=is_coloured(), fg=colour)}  {finding.about}: {finding.message}{hint}"
    )
