"""Text → terms: what words are compared by.

    text ─ words as written ─ folded (NFKC, no accents, one case) ─ split where they are compound ─ stems

A compound word gives a term for the whole and terms for its parts, so that it is found by either; the whole is
rarer and counts for more. `settings.num_candidates` gives `settings.numcandidates`, `settings`, `numcandidates`,
`num` and `candidates` (then stemmed). Hyphens, underscores and humps are left out of the whole, so that
`num_candidates`, `--num-candidates` and `numCandidates` are the same word, as are `e-mail` and `email`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import chain, pairwise
from threading import Lock

import Stemmer

ANALYSIS_VERSION = 1
"""Changes whenever a text would give other terms; what was indexed under another version is to be indexed anew."""

LONGEST_TERM = 64
"""Characters; what is longer is data in the middle of text, which nobody asks for."""

_MOST_ATOMS = 8
"""Humps that a name may have; more is data (Base64)."""
_CACHED_WORDS = 100_000
"""Entries of about 200 bytes; when there are so many they are all forgotten, which frequent words survive best."""
_LONGEST_CACHED = 32

STOP_WORDS = frozenset(
    """
    a about after all also am an and any are as at be because been before being but by can cannot cant could
    did do does doing dont during each few for from further had has have having he her here hers him his how
    i if in into is it its just me more most my no nor not of on once only or other our ours out over own
    same she should so some such than that the their theirs them then there these they this those through to
    too under until up very was we were what when where which while who whom why will with would you your
    yours
    """.split()  # noqa: SIM905 - one quoted word after another would be hard to read
)
"""Words of English that say nothing about what a question is about. They are never stemmed."""

# ── scripts ──
_INVISIBLE = "\u00ad\u200c\u200d\u2060"  # soft hyphen, joiners
_MARKS = "\u0300-\u036f\u0591-\u05bd\u064b-\u065f\u0670"  # accents; Hebrew and Arabic points
_SIGNS = (
    "\u0900-\u0903\u093a-\u0963\u0966-\u0df4\u0e31-\u0e3a\u0e47-\u0e4e\u0eb1-\u0ebc\u0ec8-\u0ece\u0f71-\u0fbc"
    "\u102b-\u103e\u17b4-\u17d3\u3099\u309a"
)  # vowel signs, which `\w` leaves out
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17d3\u3005-\u3007\u3040-\u312f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)  # Thai, Lao, Burmese, Khmer, Japanese, Chinese, Korean: written without spaces, or with endings run on


def _word_pattern(letter: str, joint: str) -> re.Pattern[str]:
    return re.compile(rf"{letter}+(?:(?:[{joint}]|::){letter}+)*(?:\+\+|(?<=\b[A-Za-z])#(?!\w))?")


_ASCII_WORD = _word_pattern("[A-Za-z0-9_]", "-.'")
_WORD = _word_pattern(rf"[\w{_INVISIBLE}{_MARKS}{_SIGNS}]", "-.'’ʼ＇‐‑")
_IGNORED = re.compile(f"[{_INVISIBLE}{_MARKS}]")
_RUN = re.compile(f"(?P<unspaced>[{_UNSPACED}]+)|[^{_UNSPACED}]+")

# ── compounds ──
_ONE_QUOTE = str.maketrans("’ʼ＇‐‑", "'''--")
_ENDING = re.compile(r"'(?:s|re|ve|ll|d|m)$", re.IGNORECASE)
_NEGATION = re.compile(r"n't$", re.IGNORECASE)
_PATH_JOINT = re.compile(r"::|[.']")
_JOINT = re.compile(r"[-_]+")
_INITIALS = re.compile(r"[^\W\d_](?:\.[^\W\d_])+")
_VERSION = re.compile(r"[vV]?(\d+(?:\.\d+)+)")
_HEXADECIMAL = re.compile(r"0[xX]([0-9a-fA-F]+)")
_ACRONYMS = re.compile(r"[A-Z]{2,}s")  # the stemmer takes `gpus` for a word like `gas`
_ATOM = re.compile(r"[A-Z]{2,}s?(?![a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


def terms(text: str) -> list[str]:
    """The terms of a text in order, each as often as it occurs."""
    words = (_ASCII_WORD if text.isascii() else _WORD).findall(text)
    return list(chain.from_iterable(map(_terms_of_words.__getitem__, words)))


def query_terms(text: str) -> list[str]:
    """The distinct terms of a query in order, without stop words unless there is nothing else."""
    distinct = dict.fromkeys(terms(text))
    return [term for term in distinct if term not in STOP_WORDS] or list(distinct)


class _TermsOfWords(dict[str, tuple[str, ...]]):
    """The terms of words as they are written; remembers those it was asked for."""

    def __missing__(self, word: str) -> tuple[str, ...]:
        plain = word.isascii() and word.isalpha() and word[1:].islower()  # most are: no more to find in them
        found = tuple(_stemmed(word) if plain else dict.fromkeys(_word_terms(word)))
        if len(word) <= _LONGEST_CACHED:
            if len(self) >= _CACHED_WORDS:
                self.clear()
            self[word] = found
        return found


_terms_of_words = _TermsOfWords()
_stemmer = Stemmer.Stemmer("english", 0)
_stemmer_lock = Lock()  # it is not made for two threads at a time


def _word_terms(word: str) -> Iterator[str]:
    if word.isascii():
        yield from _path_terms(word)
        return
    for folded in _WORD.findall(_folded(word)):  # a sign may have become several words
        for run in _RUN.finditer(folded):
            yield from _grams(run[0]) if run["unspaced"] else _path_terms(run[0])


def _folded(word: str) -> str:
    bare = _IGNORED.sub("", unicodedata.normalize("NFKD", word))
    return unicodedata.normalize("NFC", bare).translate(_ONE_QUOTE)


def _grams(run: str) -> Iterator[str]:
    """Characters and pairs of them, since words are not marked."""
    yield from run
    yield from map("".join, pairwise(run))


def _path_terms(word: str) -> Iterator[str]:
    """Terms of names joined by dots, double colons or apostrophes: the whole path, then those of each name."""
    word = _NEGATION.sub("nt", _ENDING.sub("", word))
    if word.endswith(("+", "#")):
        yield from _short(word.casefold())
        word = word.rstrip("+#")
        if len(word) == 1:
            return
    names = _PATH_JOINT.split(word)
    if len(names) == 1:
        yield from _name_terms(word)
    elif version := _VERSION.fullmatch(word):
        yield from _short(version[1])
    elif _INITIALS.fullmatch(word):
        yield from _name_terms(word.replace(".", ""))
    else:
        yield from _short(".".join(_JOINT.sub("", name) for name in names).casefold())
        yield from (term for name in names if len(name) > 1 for term in _name_terms(name))


def _name_terms(name: str) -> Iterator[str]:
    """Terms of words joined by hyphens or underscores: all as one, then those of each."""
    words = [word for word in _JOINT.split(name) if word]
    if words and name.startswith("__"):  # `__all__` is another word than `all`
        yield from _short(name.casefold())
    if len(words) > 1:
        yield from _stemmed("".join(words))
    yield from (term for word in words if len(word) > 1 or len(words) == 1 for term in _simple_terms(word))


def _simple_terms(word: str) -> Iterator[str]:
    """Terms of letters and digits: all as one, then humps and numbers."""
    yield from _stemmed(word)
    atoms = _ATOM.findall(word) if word.isascii() else []
    if number := _HEXADECIMAL.fullmatch(word):
        yield from _short(number[1].casefold())
    elif 1 < len(atoms) <= _MOST_ATOMS and sum(map(str.isdigit, atoms)) <= 1:
        yield from (term for atom in atoms if len(atom) > 1 for term in _stemmed(atom))


def _stemmed(word: str) -> Iterator[str]:
    """The stem of an English word, any other word itself; nothing if it is too long."""
    word = (word[:-1] if _ACRONYMS.fullmatch(word) else word).casefold()
    if word.isascii() and word.isalpha() and len(word) > 2 and word not in STOP_WORDS:
        with _stemmer_lock:
            word = _stemmer.stemWord(word)
    yield from _short(word)


def _short(term: str) -> Iterator[str]:
    if len(term) <= LONGEST_TERM:
        yield term
