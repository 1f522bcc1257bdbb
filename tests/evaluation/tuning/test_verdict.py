"""The words for what tuning found: they promise no more than the figures do."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from tuning_samples import BASELINE, tune_report
from vai.evaluation.measures.intervals import Interval
from vai.evaluation.replaying.bench import Configuration
from vai.evaluation.tuning.verdict import (
    changes,
    flags_of,
    in_words,
    milliseconds,
    price,
    unbroken,
    verdict_on_gain,
)
from vai.types import Stage1


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        (Interval(0.02, 0.001, 0.04), "the gain is certain"),
        (Interval(0.02, -0.001, 0.04), "that may be chance"),
        (Interval(-0.01, -0.02, -0.001), "the loss is certain: there are too few questions to tune on"),
    ],
)
def test_a_gain_is_called_certain_only_if_its_interval_says_so(gain: Interval, said: str) -> None:
    report = tune_report()
    assert verdict_on_gain(replace(report, held_out=replace(report.held_out, gain=gain))) == said


def test_the_name_of_a_model_is_one_word_of_the_command_whatever_is_in_it() -> None:
    named = replace(BASELINE, reranker="./my models/it's; rm -rf")
    words = shlex.split(flags_of(named))
    assert words[words.index("--rerank-model") + 1] == "./my models/it's; rm -rf"


def test_flags_name_what_has_a_meaning_and_nothing_else() -> None:
    by_ranks = Configuration(Stage1("hybrid", "ranks", 3.0), 5, 100)
    assert flags_of(by_ranks) == "--stage1 hybrid --fusion ranks --limit 5 --num-candidates 100 --no-rerank"
    assert "fusion" not in flags_of(replace(by_ranks, stage1=Stage1("words")))
    assert flags_of(replace(BASELINE, min_relevance=0.1)).endswith("--blend 0.5 --min-relevance 0.1")


def test_every_change_is_named_and_fewer_candidates_are_called_so() -> None:
    best = Configuration(Stage1("vector"), 10, 100)
    assert changes(tune_report(best=best)) == (
        "stage 1 by vector instead of hybrid 0.25; fewer candidates: 10 instead of 20; searched 100 deep instead of "
        "400; no reranker instead of vai-reranker-mini"
    )
    assert changes(tune_report(best=replace(BASELINE, blend=0.25))) == "blend 0.25 instead of 0.5"
    assert changes(tune_report(best=BASELINE)) == "nothing changes"


def test_two_configurations_are_never_called_the_same() -> None:
    others = (
        replace(BASELINE, blend=0.25),
        replace(BASELINE, limit=21),
        replace(BASELINE, num_candidates=401),
        replace(BASELINE, min_relevance=0.2),
        replace(BASELINE, reranker="word-overlap"),
        replace(BASELINE, stage1=Stage1("hybrid", "scores", 0.3)),
        replace(BASELINE, stage1=Stage1("hybrid", "ranks")),
        BASELINE.without_reranker,
    )
    assert len({in_words(each) for each in (BASELINE, *others)}) == 1 + len(others)


def test_numbers_have_as_many_digits_as_say_something() -> None:
    assert [milliseconds(value) for value in (None, 3.14159, 212.7, 1234.5)] == [
        *("not known", "3.1 ms", "213 ms", "1,234 ms")
    ]
    assert [price(value) for value in (None, 0.0, 0.00234, 1.5)] == ["not known", "$0", "$0.00234", "$1.50"]


def test_an_interval_is_not_broken_over_two_lines() -> None:
    assert unbroken("a gain [+0.1, +0.2] of it").split(" ") == ["a", "gain", "[+0.1,\u00a0+0.2]", "of", "it"]
