"""One HTTP request within a real time limit.

httpx's time-outs are for one read each, so a server that sends a byte a second would never meet one, and
looking up a host's name knows none at all. Each request therefore runs in a thread of its own; when its time
is up nobody waits for it any longer, and it ends at its next read.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from vai.background import in_background

if TYPE_CHECKING:
    import httpx2

    from vai.types import Json


class BrokenAnswer(Exception):
    """What came back is not what the service promises; the message goes on from "its answer …"."""


class AttemptFailed(Exception):
    """A request failed in a way that another may not; the message completes "the service failed: …"."""

    def __init__(self, cause: str, *, status: int | None = None, wait_s: float | None = None) -> None:
        super().__init__(cause)
        self.cause = cause
        self.status = status
        self.wait_s = wait_s


class TimedOut(AttemptFailed):
    """The answer was not complete when the time was up."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"no complete answer within {limit_s:g} s")


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent; `body` is JSON, None where there is none."""

    method: str
    url: str
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A response that was read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Json:
        """The body. Raises `BrokenAnswer` unless it says that it is JSON and is."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise BrokenAnswer(f"is `{one_line(kind)}` instead of JSON" if kind else "has no content type")
        return self._parsed()

    def detail(self) -> str:
        """What the body of an error says about it, "" if nothing legible; it may hold anything.

        Services write `{"detail": …}` (Voyage), `{"message": …}` (Cohere), `{"error": …}` (Text Embeddings
        Inference) or `{"error": {"message": …}}` (OpenAI and all that follow it).
        """
        try:
            content = self._parsed()
        except BrokenAnswer:
            return ""
        detail = content
        while isinstance(detail, dict):
            detail = next((detail[name] for name in ("detail", "error", "message") if detail.get(name)), None)
        return detail if isinstance(detail, str) else json.dumps(detail) if detail else ""

    def retry_after(self) -> float | None:
        """Seconds that the service asks to wait (RFC 9110 §10.2.3), None where it does not say so legibly.

        A date is compared with the answer's own, so that it does not matter how the two clocks differ.
        """
        value = self.headers.get("retry-after", "").strip()
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
            return float(value)
        until = _unix_time(value)
        if until is None:
            return None
        now = _unix_time(self.headers.get("date", ""))
        return max(0.0, until - (time.time() if now is None else now))

    def _parsed(self) -> Json:
        try:
            content: Json = json.loads(self.body, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise BrokenAnswer("is not JSON") from None
        return content


def send(client: httpx2.Client, request: Request, *, limit_s: float, max_bytes: int) -> Answer:
    """The answer to a request, which takes `limit_s` at most, from looking up the host to the last byte.

    Raises:
        TimedOut: it would have taken longer.
        AttemptFailed: no connection, one that broke, or an answer of more than `max_bytes`.
    """
    answer = in_background(lambda: _exchange(client, request, limit_s, max_bytes), "vai-request")
    try:
        return answer.result(limit_s)
    except TimeoutError:
        raise TimedOut(limit_s) from None


def _exchange(client: httpx2.Client, request: Request, limit_s: float, max_bytes: int) -> Answer:
    import httpx2

    end = time.monotonic() + limit_s
    try:
        with client.stream(request.method, request.url, content=request.body, timeout=limit_s) as response:
            received = bytearray()
            for part in response.iter_bytes():
                received += part
                if len(received) > max_bytes:
                    raise AttemptFailed(f"its answer is longer than {max_bytes:,} bytes")
                if time.monotonic() > end:
                    raise TimedOut(limit_s)
            return Answer(response.status_code, response.headers, bytes(received))
    except httpx2.TimeoutException:
        raise TimedOut(limit_s) from None
    except (httpx2.ConnectError, httpx2.InvalidURL, UnicodeError) as error:  # or a proxy cannot be one
        raise AttemptFailed(f"`{request.url}` cannot be reached ({one_line(str(error))})") from error
    except httpx2.HTTPError as error:
        raise AttemptFailed(f"its answer broke off or is not HTTP ({one_line(str(error))})") from error


def one_line(text: str, limit: int = 400) -> str:
    """Text from elsewhere, fit for a terminal: no line breaks, no control characters, `limit` characters."""
    line = "".join(character for character in " ".join(text.split()) if character.isprintable())
    return line if len(line) <= limit else line[:limit] + "…"


def _no_constant(name: str) -> NoReturn:
    """JSON has no NaN and no Infinity, though Python's parser takes them."""
    raise ValueError(name)


def _unix_time(date: str) -> float | None:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None
