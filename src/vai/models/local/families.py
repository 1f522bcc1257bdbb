"""What is known of families of embedders whose repositories do not always say it themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vai.models.local.configs import Description


@dataclass(frozen=True, slots=True)
class Family:
    """How models of a family are used.

    Args:
        names: what the last part of a model's name looks like, in lower case.
        query_prompt, document_prompt: what it was trained to find before texts.
        pooling: how its token states become a vector.
    """

    names: re.Pattern[str]
    query_prompt: str
    document_prompt: str
    pooling: str


_SEARCHING = "Represent this sentence for searching relevant passages: "

FAMILIES = (
    Family(re.compile(r"(multilingual-)?e5-(small|base|large)(-v2)?"), "query: ", "passage: ", "mean"),
    Family(re.compile(r"bge-(small|base|large)-en(-v1\.5)?"), _SEARCHING, "", "cls"),
    Family(re.compile(r"mxbai-embed-large-v1"), _SEARCHING, "", "cls"),
    Family(re.compile(r"snowflake-arctic-embed-(xs|s|m|l|m-long|m-v1\.5)"), _SEARCHING, "", "cls"),
    Family(re.compile(r"snowflake-arctic-embed-[ml]-v2\.0"), "query: ", "", "cls"),
    Family(re.compile(r"nomic-embed-text-v(1|1\.5|2-moe)"), "search_query: ", "search_document: ", "mean"),
)
"""As their model cards say."""

OTHERS = Family(re.compile(r".*"), "", "", "mean")
"""sentence-transformers pools by the mean where nothing else is said."""


def family_of(name: str) -> Family:
    """What is known of a model by its name: a folder, or `owner/name@revision`."""
    last = re.split(r"[\\/]", name.partition("@")[0].rstrip("\\/"))[-1].lower()
    return next((family for family in FAMILIES if family.names.fullmatch(last)), OTHERS)


def prompts_of(name: str, described: Description) -> tuple[str, str]:
    """What an embedder finds before queries and before documents: as its files say, else as its family is used."""
    query, document = described.prompt_for("query"), described.prompt_for("document", "passage", "corpus")
    if query or document:
        return query, document
    family = family_of(name)
    return family.query_prompt, family.document_prompt
