"""Queries to which a corpus holds no answer: noise, and questions about something else."""

from __future__ import annotations

import math
import random
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

SEED = 20261124
KEYBOARD = ("qwertyuiop", "asdfghjkl;", "zxcvbnm,./")
_Z = 1.959964
"""Standard deviations of a 95 % interval."""

UNRELATED = (
    ("cosqa", "med"),
    ("cosqa", "cranfield"),
    ("cosqa", "scifact"),
    ("cosqa", "arguana"),
    ("docs_questions", "med"),
    ("docs_questions", "cranfield"),
    ("docs_questions", "arguana"),
    ("docs_questions", "nq_small"),
    ("med", "cosqa"),
    ("med", "docs_questions"),
    ("cranfield", "cosqa"),
    ("cranfield", "docs_questions"),
    ("cranfield", "med"),
    ("scifact", "cosqa"),
    ("scifact", "docs_questions"),
    ("nq_small", "cosqa"),
    ("arguana", "cranfield"),
)
"""Queries of the first, asked of the corpus of the second: code, documentation of software, medicine, biology,
aerodynamics, debates and encyclopaedia. Pairs that share subjects are not among them (medicine and biology, debates
and encyclopaedia, code and documentation)."""


@dataclass(frozen=True, slots=True)
class Share:
    """How many of some queries, and what share that is, with its 95 % interval.

    Wilson 1927, "Probable inference, the law of succession, and statistical inference": sound where nothing, or
    nearly nothing, was counted.
    """

    count: int
    of: int

    @property
    def mean(self) -> float:
        """The share."""
        return self.count / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval."""
        shrunk = 1 + _Z**2 / self.of
        centre = (self.mean + _Z**2 / (2 * self.of)) / shrunk
        half = _Z / shrunk * math.sqrt(self.mean * (1 - self.mean) / self.of + _Z**2 / (4 * self.of**2))
        return max(0.0, centre - half), min(1.0, centre + half)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.mean:.1%} [{low:.1%}, {high:.1%}]"


def random_letters(draw: random.Random, _: Sequence[str]) -> str:
    """Words of letters drawn at random."""
    return " ".join(
        "".join(draw.choices(string.ascii_lowercase, k=draw.randint(2, 10)))
        for _ in range(draw.randint(2, 8))
    )


def keyboard_mash(draw: random.Random, __: Sequence[str]) -> str:
    """Runs along a row of the keyboard, as a hand falls on it."""
    runs = []
    for _ in range(draw.randint(2, 6)):
        row = draw.choice(KEYBOARD)
        start, length = draw.randrange(len(row) - 2), draw.randint(3, 8)
        run = row[start : start + length]
        runs.append(run[::-1] if draw.random() < 0.5 else run)
    return " ".join(runs)


def shuffled_words(draw: random.Random, words: Sequence[str]) -> str:
    """Real words, of whatever question they come from."""
    return " ".join(draw.choices(words, k=draw.randint(3, 10)))


NOISE: Mapping[str, Callable[[random.Random, Sequence[str]], str]] = {
    "random letters": random_letters,
    "keyboard mash": keyboard_mash,
    "shuffled words": shuffled_words,
}


def noise(kind: str, count: int, questions: Sequence[str]) -> list[str]:
    """So many queries of one kind, always the same ones; words are those of the questions."""
    draw = random.Random(f"{SEED} {kind}")
    words = sorted({word for question in questions for word in question.split()})
    return [NOISE[kind](draw, words) for _ in range(count)]
