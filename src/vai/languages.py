"""A cheap look at whether a text is in a language that a model was trained for.

It tells writing systems apart by their letters, and the larger languages in Latin letters by the small words that no
sentence does without. It errs on the side of silence: a few words in a table are no proof of a language.
"""

from __future__ import annotations

import re

LAST_LATIN_LETTER = 0x24F  # end of Latin Extended-B
SAMPLE = 2_000

FUNCTION_WORDS = {
    "de": "der die das und ist nicht ein eine einen mit für auf wie wir sie ich werden wird kann auch",
    "es": "el los las una que con para como por está cómo qué puedo del se más pero cuando hacer",
    "fr": "le les des une est que pour dans avec comment pas sur je vous nous qui quand faire peut",
    "it": "il gli che una per con come sono della nel è non anche questo perché posso quando fare",
    "nl": "het een van dat niet met voor hoe zijn aan ook ik kan worden naar deze wordt als wanneer",
    "pt": "os uma que com para como não por mais está são você quando fazer isso posso ao pela",
    "en": (
        "the a an and is are was of to in for on with how what when where which who why do does can i my you it that"
        " this not be from by as at or if"
    ),
}
_TABLES = {code: frozenset(table.split()) for code, table in FUNCTION_WORDS.items()}
_WORD = re.compile(r"[^\W\d_]+")


def is_foreign(text: str, languages: tuple[str, ...]) -> bool:
    """Whether a text looks as if it were in none of `languages` (ISO 639-1; empty: any language is fine).

    Never, where one of them is not in `FUNCTION_WORDS`: nothing is known of how it looks.
    """
    if not languages or not _TABLES.keys() >= set(languages):
        return False
    words = _WORD.findall(text[:SAMPLE].lower())
    letters = sum(map(len, words))
    if not letters:
        return False
    if sum(ord(letter) > LAST_LATIN_LETTER for word in words for letter in word) * 2 > letters:
        return True
    found = {code: sum(word in table for word in words) for code, table in _TABLES.items()}
    known = max(found[code] for code in languages)
    other = max((count for code, count in found.items() if code not in languages), default=0)
    return other >= 2 and other > 2 * known
