"""Pools are what grows with the questions of a test set: nothing of them is held more often than it has to be."""

from __future__ import annotations

from pathlib import Path

from evaluation_samples import NoisyReranker, filled, questions
from vai.evaluation.data.matching import match
from vai.evaluation.replaying.bench import Bench
from vai.evaluation.replaying.pools import gather_pools


def test_the_id_of_a_chunk_is_held_once_however_many_questions_find_it(tmp_path: Path) -> None:
    with filled(tmp_path, NoisyReranker()) as collection:
        bench = Bench.open(collection, match(questions(5), collection))
        pools = gather_pools(bench, num_candidates=40, limit=10, exact=False)
    first, *others = pools.ids
    assert len(first) == 40
    assert all(other[place] is first[place] for other in others for place in range(40))
