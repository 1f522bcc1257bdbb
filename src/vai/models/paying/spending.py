"""What paid models may cost: every request asks first whether there is money left, and then says what it took.

Two bounds, both held by what a request may cost at most, before it is sent: what this run may spend, and what all
runs together may spend in a calendar month (UTC), which `ledger.py` keeps.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, get_ident
from typing import TYPE_CHECKING, Self

from vai.errors import BudgetSpent, InvalidSettings, StoreFailure

if TYPE_CHECKING:
    from vai.models.paying.ledger import Ledger, Reservation
    from vai.settings import Settings

NANODOLLARS = 1_000_000_000
"""In one US dollar."""


class TooLittleError(Exception):
    """A request may cost more than is left: of `most`, `spent` and `reserved` are taken, all in nano-dollars."""

    def __init__(
        self, amount: int, *, most: int, spent: int, reserved: int, month: str | None = None
    ) -> None:
        super().__init__(amount, most, spent, reserved, month)
        self.amount, self.most, self.spent, self.reserved = amount, most, spent, reserved
        self.month = month

    @property
    def missing(self) -> int:
        """How much of what is reserved would have to become free."""
        return self.spent + self.reserved + self.amount - self.most


@dataclass(slots=True)
class Bill:
    """One request's price: `at_most` before it is sent, `tokens` and `usd` when it has been answered."""

    model: str
    at_most: float
    tokens: int = 0
    usd: float = 0.0


class Purse:
    """What one run of a command, or one `Collection`, may still spend. Any number of threads may use it.

    `warnings` says, once, that spending could not be recorded.

    Args:
        max_usd: US dollars that may be spent through this purse; None for no bound.
        max_usd_per_month: US dollars that may be spent in a calendar month by all who share the ledger.
        ledger: the file in which what is spent is recorded; None for no record.
        clock: tells the time (Unix, in seconds).

    Raises:
        InvalidSettings: `max_usd` is no sum of money.
    """

    def __init__(
        self,
        max_usd: float | None = None,
        *,
        max_usd_per_month: float | None = None,
        ledger: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if max_usd is not None and not 0.0 <= max_usd < math.inf:
            raise InvalidSettings(f"--max-usd must be a number of US dollars from 0: {max_usd:g}")
        if max_usd_per_month is not None and ledger is None:
            raise ValueError("what is spent in a month can only be bounded by a ledger")
        self._most = None if max_usd is None else nanodollars(max_usd)
        self._most_per_month = None if max_usd_per_month is None else nanodollars(max_usd_per_month)
        self._ledger_file = ledger
        self._opened_ledger: Ledger | None = None
        self._clock = clock
        self._spent = 0
        self._reserved: Counter[int] = Counter()
        """By thread, what requests under way may cost."""
        self._changed = Condition()
        self._warnings: list[str] = []

    @classmethod
    def configured(
        cls, settings: Settings, environment: Mapping[str, str], *, max_usd: float | None = None
    ) -> Self:
        """The purse of a run: with the user's ledger, and the bound in the settings."""
        return cls(max_usd, max_usd_per_month=settings.max_usd_per_month, ledger=ledger_path(environment))

    @property
    def spent(self) -> float:
        """US dollars that were spent through this purse."""
        return self._spent / NANODOLLARS

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know about the record of what was spent."""
        return tuple(self._warnings)

    @contextmanager
    def paying(self, model: str, at_most: float) -> Iterator[Bill]:
        """Around a request that costs `at_most` US dollars; the caller writes into the bill what it did cost.

        What costs nothing is neither bounded nor recorded. A request that fails has cost what the bill says by
        then: nothing, unless the caller wrote something else. That is also assumed of an answer that was lost
        on its way, and of a request whose process was killed, though the service may have charged for them.

        While other threads have requests under way that may turn out cheaper, one that does not fit waits for them.

        Raises:
            BudgetSpent: that much is not left.
            StoreFailure: there is a bound per month, and the ledger cannot be used.
        """
        if at_most == 0:
            yield Bill(model, 0.0)
            return
        amount = nanodollars(at_most)
        reservation = self._reserve(model, amount)
        bill = Bill(model, at_most)
        try:
            yield bill
        finally:
            self._settle(bill, amount, reservation)

    def _reserve(self, model: str, amount: int) -> Reservation | None:
        with self._changed:
            while True:
                try:
                    self._require_left(amount)
                    reservation = self._enter(amount)
                except TooLittleError as refusal:
                    if not self._is_worth_waiting(refusal):
                        raise _refused(model, refusal) from None
                    self._changed.wait()
                else:
                    self._reserved[get_ident()] += amount
                    return reservation

    def _require_left(self, amount: int) -> None:
        reserved = self._reserved.total()
        if self._most is not None and self._spent + reserved + amount > self._most:
            raise TooLittleError(amount, most=self._most, spent=self._spent, reserved=reserved)

    def _is_worth_waiting(self, refusal: TooLittleError) -> bool:
        """Whether what other threads have reserved could become enough; never for one who is waited for himself."""
        own = self._reserved[get_ident()]
        return own == 0 and refusal.missing <= self._reserved.total()

    def _settle(self, bill: Bill, amount: int, reservation: Reservation | None) -> None:
        with self._changed:
            self._reserved[get_ident()] -= amount
            self._changed.notify_all()
            price = nanodollars(bill.usd)
            self._spent += price
            if self._ledger is not None and reservation is not None:
                try:
                    self._ledger.settle(reservation, bill.model, bill.tokens, price)
                except StoreFailure as failure:  # the answer is there, and paid for
                    self._give_up_ledger(failure)

    @property
    def _ledger(self) -> Ledger | None:
        """The ledger, if there is one; who spends nothing never opens it."""
        if self._opened_ledger is None and self._ledger_file is not None:
            from vai.models.paying.ledger import Ledger

            self._opened_ledger = Ledger(self._ledger_file, clock=self._clock)
        return self._opened_ledger

    def _enter(self, amount: int) -> Reservation | None:
        """Reserve in the ledger, if there is one; without a bound, spending goes on where it cannot be recorded."""
        if self._ledger is None:
            return None
        try:
            return self._ledger.reserve(amount, most=self._most_per_month)
        except StoreFailure as failure:
            if self._most_per_month is not None:
                failure.hint = f"{failure.hint}; it holds the bound `max_usd_per_month` of your settings"
                raise
            self._give_up_ledger(failure)
            return None

    def _give_up_ledger(self, failure: StoreFailure) -> None:
        """Say that spending is not recorded, and do not try again, unless a bound asks for it."""
        if not self._warnings:
            self._warnings.append(f"what this run spends is not recorded: {failure.message}")
        if self._most_per_month is None:
            self._ledger_file = self._opened_ledger = None


def ledger_path(environment: Mapping[str, str]) -> Path:
    """The user's ledger: the file that VAI_LEDGER names, else one in the platform's folder for data.

    Raises:
        InvalidSettings: the name begins with the home folder of a user who is not known.
    """
    named = environment.get("VAI_LEDGER", "").strip()
    if named:
        try:
            return Path(named).expanduser().absolute()
        except RuntimeError as error:
            raise InvalidSettings(f"VAI_LEDGER names no file: {named} ({error})") from error
    import platformdirs

    return platformdirs.user_data_path("vai", appauthor=False) / "spending.db"


def nanodollars(usd: float) -> int:
    """A sum of US dollars in whole nano-dollars.

    Raises:
        ValueError: it is negative, infinite or not a number.
    """
    if not 0.0 <= usd < math.inf:
        raise ValueError(f"not a sum of money: {usd}")
    return round(usd * NANODOLLARS)


def usd_for(tokens: int, usd_per_million_tokens: float) -> float:
    """What so many tokens cost, in US dollars."""
    return tokens * usd_per_million_tokens / 1_000_000


def dollars(usd: float) -> str:
    """A sum of money as people write it: with cents, and small ones to three digits that say something."""
    digits = 2 if usd >= 1 or usd <= 0 else max(2, 2 - math.floor(math.log10(usd)))
    whole, _, fraction = f"{usd:,.{digits}f}".partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"


def _refused(model: str, refusal: TooLittleError) -> BudgetSpent:
    amount, most, spent, reserved = (
        dollars(sum_ / NANODOLLARS)
        for sum_ in (refusal.amount, refusal.most, refusal.spent, refusal.reserved)
    )
    bound = f"may be spent in {refusal.month}" if refusal.month else "this run may spend"
    under_way = f", {reserved} are reserved by requests under way" if refusal.reserved else ""
    raising = (
        "raise `max_usd_per_month` in your settings (`vai spending` shows what was spent)"
        if refusal.month
        else "raise `--max-usd`"
    )
    return BudgetSpent(
        f"the next request to `{model}` may cost {amount}, and of the {most} that {bound} {spent} are spent{under_way}",
        hint=f"{raising}, read fewer candidates (`--limit`), or name a model that runs here",
    )
