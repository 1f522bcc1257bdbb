"""How models that are not in the package are reached: keys, addresses, patience, and what may be spent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vai.models.paying.spending import Purse

if TYPE_CHECKING:
    from vai.models.remote.http import Patience
    from vai.settings import Settings


def _in_silence(_: str) -> None:
    """Nobody is told."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a remote model is opened with.

    Args:
        voyage_key, voyage_url: of Voyage; the address is the one that the key belongs to, if None.
        rerank_key, embeddings_key, llm_key: for servers named by their address; None sends no key.
        purse: what may be spent.
        patience: how long to wait, and how often to try; None for the usual.
        say: is told in a sentence what takes long, such as a download.
    """

    voyage_key: str | None = field(default=None, repr=False)
    voyage_url: str | None = None
    rerank_key: str | None = field(default=None, repr=False)
    embeddings_key: str | None = field(default=None, repr=False)
    llm_key: str | None = field(default=None, repr=False)
    purse: Purse = field(default_factory=Purse)
    patience: Patience | None = None
    say: Callable[[str], None] = _in_silence

    @classmethod
    def configured(
        cls,
        settings: Settings,
        environment: Mapping[str, str],
        *,
        purse: Purse | None = None,
        say: Callable[[str], None] | None = None,
    ) -> Access:
        """What the environment says (VOYAGE_API_KEY, VOYAGE_BASE_URL), and beneath it the user's settings."""
        return cls(
            voyage_key=environment.get("VOYAGE_API_KEY", "").strip() or settings.voyage_api_key,
            voyage_url=environment.get("VOYAGE_BASE_URL", "").strip() or None,
            rerank_key=settings.rerank_api_key,
            embeddings_key=settings.embeddings_api_key,
            llm_key=settings.llm_api_key,
            purse=purse or Purse(),
            say=say or _in_silence,
        )
