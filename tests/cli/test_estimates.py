"""How estimates look on a terminal."""

from __future__ import annotations

from vai.cli.estimates import estimate_text
from vai.types import CallEstimate, Estimate

EMBED = CallEstimate("all-MiniLM-L6-v2", "embed", 0, 5, 0.0, 0.0)
RERANK = CallEstimate("rerank-2.5", "rerank", 1, 5_120, 0.000256, 0.001024)


def test_an_estimate_says_what_each_model_would_cost() -> None:
    estimate = Estimate(
        (EMBED, RERANK), 0.000256, 0.001024, ("all-MiniLM-L6-v2 runs here, and costs nothing",)
    )
    assert estimate_text(estimate) == (
        "it would cost about $0.000256, and $0.00102 at most\n"
        "\n"
        "stage   model             requests  tokens       price      at most\n"
        "embed   all-MiniLM-L6-v2  0         about 5      $0.00      $0.00\n"
        "rerank  rerank-2.5        1         about 5,120  $0.000256  $0.00102\n"
        "\n"
        "all-MiniLM-L6-v2 runs here, and costs nothing"
    )


def test_what_costs_nothing_is_said_to() -> None:
    assert estimate_text(Estimate((EMBED,), 0.0, 0.0)).splitlines()[0] == "it would cost nothing"
    assert estimate_text(Estimate((), 0.0, 0.0)) == "it would cost nothing"


def test_a_price_that_is_not_known_is_not_taken_for_nothing() -> None:
    served = CallEstimate("tei:http://127.0.0.1:8080", "rerank", 1, 80, None, None)
    lines = estimate_text(Estimate((EMBED, served), None, None)).splitlines()
    assert lines[0] == "what it would cost is not known"
    assert lines[-1].split("  ")[-2:] == ["not known", "not known"]
