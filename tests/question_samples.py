"""Chunks to ask about, and a language model whose answers a test can tell beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from vai.errors import RemoteUnavailable
from vai.types import Chunk

FILLER = "The servers hold the same data, and one of them takes what is written until another is chosen by the rest."


def chunk(
    text: str = FILLER,
    *,
    document: str = "guide.md",
    ordinal: int = 0,
    title: str = "",
    heading: tuple[str, ...] = (),
    source: str | None = None,
    tokens: int | None = None,
) -> Chunk:
    """A chunk of which only that matters what can be asked about it."""
    return Chunk(
        document_id=document,
        ordinal=ordinal,
        source=document if source is None else source,
        title=title,
        text=text,
        start=0,
        end=len(text),
        start_line=None,
        end_line=None,
        page=None,
        heading=heading,
        tokens=len(text.split()) if tokens is None else tokens,
    )


@dataclass
class Parrot:
    """A `LanguageModel` that says what it was told to say of a prompt, and fails when it was told to."""

    says: Callable[[str], str | None]
    fails_after: int | None = None
    name: str = "parrot"
    prompts: list[str] = field(default_factory=list)

    def answer(self, prompt: str) -> str | None:
        self.prompts.append(prompt)
        if self.fails_after is not None and len(self.prompts) > self.fails_after:
            raise RemoteUnavailable("parrot failed after 4 attempts: it answered 503")
        return self.says(prompt)
