"""How much transformers reports, as it keeps it."""

from __future__ import annotations

STATE = {"verbosity": 30, "bars": True}


def get_verbosity() -> int:
    return int(STATE["verbosity"])


def set_verbosity(verbosity: int) -> None:
    STATE["verbosity"] = verbosity


def is_progress_bar_enabled() -> bool:
    return bool(STATE["bars"])


def disable_progress_bar() -> None:
    STATE["bars"] = False


def enable_progress_bar() -> None:
    STATE["bars"] = True
