"""How texts become the one row of tokens that a model reads: its special tokens around them, and windows of them.

The special tokens come from the tokenizer's own post-processor, asked by example: whatever it does, `[CLS] a [SEP] b
[SEP]` or `<s> a </s></s> b </s>`, it does to two texts of a word each as well. So a query is tokenised once and
joined with each passage, and what comes out is what the tokenizer makes of the pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

READING = 1
"""Changes whenever the same texts would be prompted, joined, cut or windowed in another way: a part of revisions."""

MOST_WINDOWS = 64
"""Of one passage, whoever reads it; what lies beyond them is not read."""

OVERLAP = 4
"""Windows share a quarter of their length, so that a sentence at the end of one is whole in one of them."""

_EXAMPLE, _ANOTHER = "a", "b"


@dataclass(frozen=True, slots=True)
class Template:
    """The special tokens before, between and behind texts, and the type of every token.

    Args:
        gaps: ids of the special tokens: one gap more than there are texts.
        gap_types: a type for each of those.
        text_types: a type for the tokens of each text.
    """

    gaps: tuple[tuple[int, ...], ...]
    gap_types: tuple[tuple[int, ...], ...]
    text_types: tuple[int, ...]

    @property
    def own(self) -> int:
        """How many tokens are its own."""
        return sum(len(gap) for gap in self.gaps)

    def untyped(self) -> Template:
        """The same with all tokens of type 0."""
        gap_types = tuple((0,) * len(gap) for gap in self.gaps)
        return Template(self.gaps, gap_types, (0,) * len(self.text_types))

    def filled(self, *texts: Sequence[int]) -> tuple[list[int], list[int]]:
        """Ids and types of the row that a model reads."""
        ids, types = list(self.gaps[0]), list(self.gap_types[0])
        for index, text in enumerate(texts):
            ids.extend(text)
            types.extend([self.text_types[index]] * len(text))
            ids.extend(self.gaps[index + 1])
            types.extend(self.gap_types[index + 1])
        return ids, types


def single_template(tokenizer: Tokenizer) -> Template:
    """What a tokenizer puts around one text. Raises as `pair_template` does."""
    return _template(tokenizer, tokenizer.encode(_EXAMPLE), _EXAMPLE)


def pair_template(tokenizer: Tokenizer) -> Template:
    """What a tokenizer puts around and between two texts.

    Raises:
        ValueError: it does not put one text behind the other, in one piece each.
    """
    return _template(tokenizer, tokenizer.encode(_EXAMPLE, _ANOTHER), _EXAMPLE, _ANOTHER)


def _template(tokenizer: Tokenizer, row: Encoding, *examples: str) -> Template:
    gaps: list[tuple[int, ...]] = []
    gap_types: list[tuple[int, ...]] = []
    text_types = []
    behind = 0
    for index, example in enumerate(examples):
        text = tokenizer.encode(example, add_special_tokens=False).ids
        places = [place for place, owner in enumerate(row.sequence_ids) if owner == index]
        if not text or places != list(range(places[0], places[0] + len(text))) or places[0] < behind:
            raise ValueError("its tokenizer does not put one text behind the other")
        gaps.append(tuple(row.ids[behind : places[0]]))
        gap_types.append(tuple(row.type_ids[behind : places[0]]))
        text_types.append(row.type_ids[places[0]])
        behind = places[-1] + 1
    gaps.append(tuple(row.ids[behind:]))
    gap_types.append(tuple(row.type_ids[behind:]))
    return Template(tuple(gaps), tuple(gap_types), tuple(text_types))


def tokens_in_windows(room: int, most: int = MOST_WINDOWS) -> int:
    """How many tokens of a text windows of at most `room` hold; of one that has more the rest is left out."""
    overlap = room // OVERLAP
    return most * (room - overlap) + overlap


def token_windows(tokens: int, room: int, most: int = MOST_WINDOWS) -> list[tuple[int, int]]:
    """Where to cut a text of so many tokens into windows of at most `room`, as (first, behind the last).

    As few as overlap by a quarter of the room, and all of one length, so that none is a mere remainder. Beyond
    `most` windows the rest of the text is left out.
    """
    if tokens <= room:
        return [(0, tokens)]
    overlap = room // OVERLAP
    stride = room - overlap
    count = -(-(tokens - overlap) // stride)
    if count > most:
        return [(start, start + room) for start in range(0, most * stride, stride)]
    length = -(-(tokens + (count - 1) * overlap) // count)
    starts = [index * (tokens - length) // (count - 1) for index in range(count)]
    return [(start, start + length) for start in starts]
