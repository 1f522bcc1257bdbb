"""Where requests may go, and what a key may be."""

from __future__ import annotations

import re

from vai.errors import InvalidSettings


def checked_address(service: str, base_url: str, hint: str | None, *, with_key: bool) -> tuple[str, bool]:
    """The address of a service without a slash at its end, and whether it is on this machine.

    Raises:
        InvalidSettings: it is none, holds a password, or would carry a key unencrypted to another machine.
    """
    from urllib.parse import urlsplit

    import httpx2

    def refusal(fault: str) -> InvalidSettings:
        return InvalidSettings(f"the address of {service} {fault}", hint=hint)

    address = base_url.strip().rstrip("/")
    if re.search(r"[^!-~]|\\", address):
        raise refusal(f"holds a character that no address has: {address!r}")
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
        (host or "").encode("idna")  # which looking it up would do, and fail
        as_sent = httpx2.URL(address).raw_host.decode()
    except (ValueError, httpx2.InvalidURL) as error:
        raise refusal(f"cannot be read: {error}") from None
    if "@" in parts.netloc:
        raise refusal("holds a user name or password, which do not belong there")
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
        raise refusal(f"is not like `https://host/path`: `{address}`")
    if as_sent != host:  # a key would go where nobody has looked
        raise refusal(f"can be read in two ways: `{address}`")
    on_this_machine = _is_loopback(host)
    if with_key and parts.scheme == "http" and not on_this_machine:
        raise refusal(
            f"would carry the key unencrypted; with a key, http is for this machine only: `{address}`"
        )
    return address, on_this_machine


def _is_loopback(host: str) -> bool:
    from ipaddress import ip_address

    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def checked_key(service: str, key: str) -> str:
    """The key for a service, without white space around it.

    Raises:
        InvalidSettings: it is empty, or could not be sent in a header; the message does not show it.
    """
    stripped = key.strip()
    if not re.fullmatch(r"[!-~]+", stripped):
        raise InvalidSettings(f"the key for {service} is empty or holds a character that no key has")
    return stripped
