"""What makes a text a question that a person would type: pure functions of text.

They err on the side of silence: a question too few costs nothing, one that nobody would ask spoils a test set.
"""

from __future__ import annotations

import re
from hashlib import blake2b

from vai.engines.analysis import STOP_WORDS, query_terms, terms

MOST_WORDS = 20
"""Of a question that was found; a longer title is a sentence that nobody types."""
LONGEST = 160
"""Characters of a question that was found; also where words are not set apart."""
FEWEST_WORDS = 4
"""Of a sentence that is a question; shorter ones ("Why not?") live from what was said before."""
STANDS_ALONE = 3
"""Words with a meaning of their own, from which on a heading is understood without the one above it."""
LONGEST_SUBJECT = 6
"""Words of a heading that is put before the one below it."""

GENERIC = frozenset(
    " ".join(name.split())
    for name in """
    about|abstract|acknowledgements|acknowledgments|added|additional information|additional resources|all|api
    |api reference|appendix|arguments|attributes|author|authors|background|basic usage|basics|bugs|caveats
    |change log|changed|changelog|changes|classes|code|code of conduct|command|commands|comments|conclusion
    |conclusions|configuration|constants|contact|content|contents|contributing|contributors|copyright|credits
    |definition|demo|dependencies|deprecated|description|details|discussion|documentation|errors|example
    |examples|exceptions|exit status|explanation|faq|faqs|features|fields|files|find out more|fixed|footnotes
    |frequently asked questions|functions|further information|further reading|general|getting help
    |getting started|glossary|help|highlights|history|home|how it works|how to use|implementation|important
    |in depth|index|information|input|inputs|install|installation|instructions|intro|introduction|issues
    |known issues|learn more|legal|licence|license|limitations|links|list|long description|main|materials
    |methods|misc|miscellaneous|more|more information|motivation|name|new|news|next|next steps|note|notes
    |objective|objectives|options|other|others|outline|output|outputs|overview|page|parameters|permissions
    |preface|prerequisites|procedure|properties|purpose|questions|quick start|quickstart|read more|readme
    |reference|references|related|related articles|related content|related documents|related information
    |related links|related topics|release notes|remarks|removed|requirements|resources|results|return value
    |return values|returns|roadmap|sample|samples|scope|section|security|see also|settings|setup
    |short description|similar projects|source|sources|steps|structure|subcommands|summary|support|synopsis
    |syntax|table of contents|terminology|testing|tests|thanks|the basics|tips|to do|toc|todo|topics
    |troubleshooting|tutorial|tutorials|types|unreleased|untitled|usage|use|use cases|values|variables
    |version|versions|warning|warnings|what's new|where to go next
    |beispiel|beispiele|einführung|einleitung|ejemplo|ejemplos|esempi|esempio|exemple|exemples|exemplo|indice
    |inhalt|inhaltsverzeichnis|inleiding|introducción|introduzione|introdução|literatur|quellen|referencias
    |resumen|resumo|références|résumé|siehe auch|sommaire|vedi anche|veja também|voir aussi|voorbeeld
    |voorbeelden|véase también|zie ook|zusammenfassung|índice|überblick|übersicht
    """.split("|")  # noqa: SIM905 - one quoted name after another would be hard to read
)
"""Headings that stand in every second document, and are about none of them."""

_OPENERS = frozenset(
    """
    what what's whats how why when where which who whose whom can could do does did is isn't are aren't was were will
    would should shall may must has have had am don't doesn't can't
    was wie warum wieso weshalb wann wo wohin woher welche welcher welches welchen wer wen wem kann können darf muss
    soll ist sind hat haben wird werden gibt
    qué cómo cuándo dónde cuál cuáles quién quiénes cuánto cuántos por puedo puede es son hay
    que quoi comment pourquoi quand où quel quelle quels quelles qui combien est peut puis
    che cosa cos'è come perché quando dove quale quali chi quanto posso può è sono
    wat hoe waarom wanneer waar wie welke kan kunnen moet is zijn
    o qual quais quem onde como quanto posso pode
    """.split()  # noqa: SIM905 - one quoted word after another would be hard to read
)
"""Words that a question begins with, in the languages that `vai.languages` can tell apart."""

QUESTION_MARKS = ("?", "？", "؟")
_DEICTIC = re.compile(
    r"\b(?:this|that|these|those|it|its|it's|they|them|their|here|above|below|following|he|she|his|her|former"
    r"|latter|aforementioned)\b",
    re.IGNORECASE,
)
"""Words whose meaning stands somewhere else in the text."""
_SIGNATURE = re.compile(r"[{}\[\]<>=;$@\\|`~^*]|\w\(|->|::|https?:|(?:^|\s)--?\w|(?:^|\s)[./]\w|\w/\w+/\w")
"""Signs of code, paths and flags."""
_IDENTIFIER = re.compile(
    r"\w*[^\W_]_\w+|[a-z]\w*[a-z0-9][A-Z]\w*|[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]+)+|\w+\.\w[\w.]*|_\w+"
)
_NUMBERING = re.compile(
    r"""^(?:[^\w"'“„«¿]+
    |(?:chapter|section|part|step|question|kapitel|teil|frage)\s+[\divx]+\s*[.:)–-]+\s*
    |q\s*\d*\s*[.:)]\s*
    |\d+(?:\.\d+)*[.:)]?\s+(?=\D)
    |[a-zivx]{1,4}[.)]\s+)""",
    re.IGNORECASE | re.VERBOSE,
)


def cleaned(heading: str) -> str:
    """A heading without numbering, signs before it, and a colon or full stop behind it."""
    said = " ".join(heading.split())
    while match := _NUMBERING.match(said):
        said = said[match.end() :]
    return said.rstrip("¶#").rstrip().rstrip(":.,;–-").rstrip()


def is_generic(heading: str) -> bool:
    """Whether a heading says nothing about its document."""
    said = re.sub(r"[^\w\s']|\d", "", heading).strip().casefold()
    return not said or " ".join(said.split()) in GENERIC


def is_code(text: str) -> bool:
    """Whether a text looks like a signature, a path or a flag, or is mostly names of code."""
    found = text.split()
    names = sum(bool(_IDENTIFIER.fullmatch(word.strip("()\"',:?!"))) for word in found)
    return bool(_SIGNATURE.search(text)) or 2 * names > len(found)


def subject(text: str) -> list[str]:
    """What a text is about: its terms, without the small words and without numbers."""
    return [term for term in query_terms(text) if term not in STOP_WORDS and any(map(str.isalpha, term))]


def subject_count(text: str) -> int:
    """How many words of a text say what it is about; of scripts that set none apart, how many terms."""
    words = sum(bool(subject(word)) for word in text.split())
    return words if words > 1 or text.isascii() else len(subject(text))


def is_question(text: str) -> bool:
    """Whether a text is one question that can be understood alone."""
    if not text.endswith(QUESTION_MARKS) or any(mark in text[:-1] for mark in (*QUESTION_MARKS, "…", "...")):
        return False
    first = re.split(r"[\s,]", text.lstrip("¿\"'“„«").lower().replace("’", "'"), maxsplit=1)[0]
    opens = first in _OPENERS or (not first.isascii() and not re.search("[a-zà-ÿ]", first))
    return opens and not _DEICTIC.search(text)


def is_asked(text: str) -> bool:
    """Whether a text has the length of what people type, and is about something."""
    return len(text) <= LONGEST and len(text.split()) <= MOST_WORDS and subject_count(text) >= 2


def heading_query(path: tuple[str, ...]) -> str | None:
    """What a person would type who looks for the section at the end of a heading path; None if nobody can tell.

    The heading itself, and before a short one what it is about: the nearest heading above it that says something.
    """
    said = cleaned(path[-1])
    if is_generic(said) or is_code(said) or (_DEICTIC.search(said) and not _stands_alone(said)):
        return None
    if said.endswith(QUESTION_MARKS):
        return said if is_question(said) and is_asked(said) else None
    if not _stands_alone(said):
        above = next((name for name in map(cleaned, reversed(path[:-1])) if _leads_to(name, said)), None)
        said = said if above is None else f"{above} {said}"
    return said if is_asked(said) else None


def _stands_alone(heading: str) -> bool:
    return subject_count(heading) >= STANDS_ALONE


def _leads_to(above: str, heading: str) -> bool:
    """Whether a heading says what the one below it is about."""
    new = set(subject(above)) - set(subject(heading))
    short = len(above.split()) <= LONGEST_SUBJECT and not above.endswith(QUESTION_MARKS)
    return bool(new) and short and not is_generic(above) and not _SIGNATURE.search(above)


def key_of(question: str) -> int:
    """A number of 64 bits that questions share which ask for the same in other forms or another order.

    Small words, endings and numbers do not count: "Configuring replica sets" is "How to configure a replica set?".
    """
    about = "\n".join(sorted(set(subject(question))))
    return int.from_bytes(blake2b(about.encode("utf-8", "replace"), digest_size=8).digest(), "big")


def shared_words(question: str, text: str) -> float:
    """The share of the words that a question is about, which stand in a text in one form or another."""
    asked = set(subject(question))
    return len(asked.intersection(terms(text))) / len(asked) if asked else 0.0
