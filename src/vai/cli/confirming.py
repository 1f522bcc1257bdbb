"""Asking before something is removed."""

from __future__ import annotations

import sys

import click

from vai.errors import InvalidSettings


def require_somebody_to_ask(*, yes: bool) -> None:
    """Refuse to remove anything where nobody said `--yes` and nobody can be asked.

    Raises:
        InvalidSettings: that is so.
    """
    if not yes and (sys.stdin is None or not sys.stdin.isatty()):
        raise InvalidSettings(
            "what is to be removed has to be confirmed, and there is no terminal to ask on",
            hint="`--yes` confirms it",
        )


def confirmed(question: str, *, yes: bool) -> bool:
    """Whether the user wants it: said by `--yes`, or asked for."""
    return yes or click.confirm(question, err=True)
