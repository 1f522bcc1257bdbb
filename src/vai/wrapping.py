"""A reranker around another one, to which it leaves all that it does not do itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vai.protocols import Reranker
    from vai.types import Reading


@dataclass(frozen=True, slots=True)
class RerankerWrapper:
    """All of a `Reranker` as the one inside has it, but for its calibration, which those who wrap it say."""

    reranker: Reranker

    @property
    def name(self) -> str:
        return self.reranker.name

    @property
    def revision(self) -> str:
        return self.reranker.revision

    @property
    def blend(self) -> float:
        return self.reranker.blend

    @property
    def similarity_scale(self) -> float:
        return self.reranker.similarity_scale

    @property
    def languages(self) -> tuple[str, ...]:
        return self.reranker.languages

    @property
    def usd_per_million_tokens(self) -> float:
        return self.reranker.usd_per_million_tokens

    def score(self, query: str, passages: Sequence[str], *, deadline: float | None = None) -> Reading:
        """See `Reranker.score`."""
        return self.reranker.score(query, passages, deadline=deadline)
