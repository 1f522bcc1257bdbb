"""A remote model's service: one address, one key, and requests that are tried again where that can help."""

from __future__ import annotations

import json
import math
import os
import random
import time
import weakref
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NoReturn, TypeVar

from vai._version import __version__
from vai.errors import InvalidSettings, RemoteRefused, RemoteUnavailable
from vai.models.remote.addresses import checked_address, checked_key
from vai.models.remote.exchange import Answer, AttemptFailed, BrokenAnswer, Request, TimedOut, one_line, send

if TYPE_CHECKING:
    import httpx2

    from vai.types import Json

T = TypeVar("T")

MAX_ANSWER_BYTES = 64_000_000
AS_SERVED = "as served"
"""The revision of models behind an address, where nobody says when they change."""
WORTH_ANOTHER_TRY = frozenset({408, 425, 429})
"""Statuses that say "not now" rather than "no"; so does every 5xx."""


class DeadlineReached(RemoteUnavailable):
    """The caller's deadline came before the service had answered."""


def _full_jitter(ceiling: float) -> float:
    """A wait in seconds, uniform up to the ceiling: clients turned away together come back apart."""
    return random.uniform(0.0, ceiling)  # noqa: S311 - no secret depends on it


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a service and how often to try. Times are in seconds.

    Args:
        timeout_s: what one attempt may take, from looking up the host to the last byte.
        attempts: how often a request is sent at most.
        first_wait_s: ceiling of the wait after the first attempt; it doubles with each further one.
        longest_wait_s: no ceiling is higher; a service that asks for more (Retry-After) is given up at once.
        sleep: waits.
        clock: tells the time, as deadlines do.
        jitter: draws a wait under a ceiling.
    """

    timeout_s: float = 30.0
    attempts: int = 4
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[float], float] = _full_jitter


@dataclass(frozen=True, slots=True)
class Hints:
    """What to do next, as only the service's own module can say: for a bad address, by status, or at all."""

    address: str | None = None
    unavailable: str | None = None
    by_status: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))


class RemoteService:
    """One service at one address, asked with one key or none. May be used from several threads.

    Args:
        service: what it is called in messages.
        base_url: what comes before the paths; https, or http on this machine or where there is no key.
        key: sent as a bearer token and never shown; None sends none.
        passing: statuses that are tried again, beside every 5xx.

    Raises:
        InvalidSettings: the address is not one that the key can be sent to, or the key is none.
    """

    def __init__(
        self,
        service: str,
        base_url: str,
        key: str | None,
        *,
        patience: Patience | None = None,
        hints: Hints | None = None,
        passing: Collection[int] = WORTH_ANOTHER_TRY,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self.service = service
        self._patience = patience or Patience()
        self._hints = hints or Hints()
        self._key = key if key is None else checked_key(service, key)
        self.base_url, self._on_this_machine = checked_address(
            service, base_url, self._hints.address, with_key=key is not None
        )
        self._passing = passing
        self._max_answer_bytes = max_answer_bytes
        self._client: httpx2.Client | None = None
        self._process = os.getpid()
        self._open_client()  # now, because it takes time that a deadline may not leave

    def post(
        self,
        path: str,
        payload: Mapping[str, Json],
        read: Callable[[Json], T],
        *,
        deadline: float | None = None,
        patience: Patience | None = None,
    ) -> T:
        """Send JSON to `path`; returns what `read` makes of the JSON that comes back.

        Rate limits, 5xx, time-outs, broken connections, and answers that are not JSON or in which `read` finds
        a fault (`BrokenAnswer`) are tried again after a wait. `deadline` (a time of `Patience.clock`) bounds
        attempts and waits alike; `patience` is for this request, instead of the service's.

        Raises:
            RemoteRefused: the service said no; that is never tried again.
            RemoteUnavailable: it failed as often as it was tried.
            DeadlineReached: the deadline came first.
        """
        # a lone surrogate (from an argument that was not UTF-8) goes as "?", which the service can read
        body = json.dumps(payload, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
        request = Request("POST", self.base_url + path, body)
        return self._ask(request, read, deadline, patience or self._patience)

    def get(
        self,
        path: str,
        read: Callable[[Json], T],
        *,
        deadline: float | None = None,
        patience: Patience | None = None,
    ) -> T:
        """Ask for the JSON at `path`; everything else is as with `post`."""
        return self._ask(Request("GET", self.base_url + path), read, deadline, patience or self._patience)

    def _ask(
        self, request: Request, read: Callable[[Json], T], deadline: float | None, patience: Patience
    ) -> T:
        attempt, earlier = 1, ""
        while True:
            try:
                return read(self._attempt(request, deadline, patience, earlier).json())
            except BrokenAnswer as fault:
                failure = AttemptFailed(f"its answer {fault}")
            except AttemptFailed as failed:
                failure = failed
            patience.sleep(self._wait_before_next(attempt, failure, deadline, patience))
            attempt, earlier = attempt + 1, failure.cause

    def close(self) -> None:
        """Close the connections that are kept for the next request, which opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _attempt(self, request: Request, deadline: float | None, patience: Patience, earlier: str) -> Answer:
        client = self._open_client()
        left = math.inf if deadline is None else deadline - patience.clock()
        if left <= 0:
            raise self._deadline_reached(earlier)
        limit_s = min(left, patience.timeout_s)
        try:
            answer = send(client, request, limit_s=limit_s, max_bytes=self._max_answer_bytes)
        except TimedOut:
            if left <= patience.timeout_s:
                raise self._deadline_reached(earlier) from None
            raise
        if not 200 <= answer.status < 300:
            self._turned_away(answer)
        return answer

    def _turned_away(self, answer: Answer) -> NoReturn:
        """Not now, or not at all."""
        from http.client import responses

        status = answer.status
        phrase = responses.get(status, "")
        # the key is taken out before anything is cut off, so that no part of it stays
        detail = one_line(self._without_key(answer.detail())).rstrip(".")
        said = f"answered {status} {phrase}".rstrip()
        if detail and detail != phrase:
            said += f": {detail}"
        if status >= 500 or status in self._passing:
            raise AttemptFailed(f"it {said}", status=status, wait_s=answer.retry_after())
        hint = self._hints.by_status.get(status)
        if 300 <= status < 400:
            hint = "a redirect could carry the key elsewhere, so none is followed: name the address itself"
        raise RemoteRefused(self._without_key(f"{self.service} {said}"), hint=hint)

    def _wait_before_next(
        self, attempt: int, failure: AttemptFailed, deadline: float | None, patience: Patience
    ) -> float:
        """Seconds to wait: as long as the service asks, else full jitter under a ceiling that doubles.

        https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        """
        if attempt >= patience.attempts:
            raise self._gave_up(attempt, failure)
        if failure.wait_s is None:
            wait_s = patience.jitter(min(patience.first_wait_s * 2 ** (attempt - 1), patience.longest_wait_s))
        elif failure.wait_s <= patience.longest_wait_s:
            wait_s = failure.wait_s + patience.jitter(patience.first_wait_s)
        else:
            raise self._gave_up(attempt, failure, f" and asks to wait {failure.wait_s:.0f} s")
        if deadline is not None and patience.clock() + wait_s >= deadline:
            raise self._gave_up(attempt, failure, ", and the deadline leaves no time to try again")
        return wait_s

    def _gave_up(self, attempts: int, failure: AttemptFailed, and_then: str = "") -> RemoteUnavailable:
        times = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        hint = self._hints.unavailable
        if failure.status is not None:
            hint = self._hints.by_status.get(failure.status, hint)
        message = f"{self.service} failed after {times}: {failure.cause}{and_then}"
        return RemoteUnavailable(self._without_key(message), hint=hint)

    def _deadline_reached(self, earlier: str) -> DeadlineReached:
        before_that = f" (before that: {earlier})" if earlier else ""
        message = f"the deadline came before {self.service} had answered{before_that}"
        return DeadlineReached(self._without_key(message))

    def _without_key(self, message: str) -> str:
        """A service may repeat the key in what it says about it."""
        # a key of a few letters is somebody's test, and would be found in the middle of words
        return message.replace(self._key, "…") if self._key and len(self._key) >= 8 else message

    def _open_client(self) -> httpx2.Client:
        # a forked process that shared its parent's connections could be given the parent's answers
        if self._client is None or self._process != os.getpid():
            self._process = os.getpid()
            self._client = _new_client(self._key, proxies=not self._on_this_machine)
            weakref.finalize(self, self._client.close)
        return self._client


def _new_client(key: str | None, *, proxies: bool) -> httpx2.Client:
    """A client that keeps connections; `proxies` says whether those named in the environment are used."""
    import httpx2

    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": f"vai/{__version__}",
    }
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    try:
        return httpx2.Client(headers=headers, trust_env=proxies)
    except (ImportError, ValueError, httpx2.InvalidURL) as error:
        raise InvalidSettings(
            f"the proxy named in the environment cannot be used: {error}",
            hint="HTTPS_PROXY and ALL_PROXY name it; NO_PROXY lists hosts to reach without it",
        ) from error
