"""How alike two rankings are, whether or not anybody knows what is relevant."""

from __future__ import annotations

from collections.abc import Sequence

PERSISTENCE = 0.9
"""Of rank-biased overlap: the first ten ranks then have 86 % of the weight."""


def overlap_at(one: Sequence[str], other: Sequence[str], top_k: int) -> float:
    """The share of the first `top_k` that two rankings have in common, of the longer one where both are shorter."""
    first, second = set(one[:top_k]), set(other[:top_k])
    longest = max(len(first), len(second))
    return len(first & second) / longest if longest else 1.0


def rank_biased_overlap(one: Sequence[str], other: Sequence[str], persistence: float = PERSISTENCE) -> float:
    """Extrapolated rank-biased overlap, from 0 to 1 for the same ranking.

    The mean overlap of what a reader has seen who goes on to the next rank with the probability `persistence`, if the
    rankings go on as they began (Webber, Moffat & Zobel 2010, "A Similarity Measure for Indefinite Rankings", equation
    32, which is for rankings of different lengths).
    """
    shorter, longer = sorted((one, other), key=len)
    least, most = len(shorter), len(longer)
    if not least:
        return 0.0 if most else 1.0
    shared = _shared_by_depth(shorter, longer)
    at_end = shared[least] / least
    total = 0.0
    for depth in range(1, most + 1):
        beyond = at_end * max(depth - least, 0)
        total += (shared[depth] + beyond) / depth * persistence**depth
    agreement = (shared[most] - shared[least]) / most + at_end
    return (1 - persistence) / persistence * total + agreement * persistence**most


def _shared_by_depth(shorter: Sequence[str], longer: Sequence[str]) -> list[int]:
    """How many both have among their first 0, 1, 2, …, the shorter one as far as it goes."""
    first, second = set[str](), set[str]()
    shared = [0]
    for depth, unit in enumerate(longer):
        second.add(unit)
        news = {unit}
        if depth < len(shorter):
            first.add(shorter[depth])
            news.add(shorter[depth])
        shared.append(shared[-1] + len(news & first & second))
    return shared
