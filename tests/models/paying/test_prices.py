"""What models cost, by their names alone."""

from __future__ import annotations

import pytest

from vai.errors import UnknownModel
from vai.models.paying.prices import tariff_of


@pytest.mark.parametrize(
    ("name", "price"),
    [
        ("rerank-2.5", 0.05),
        ("rerank-3-lite", 0.02),
        ("voyage-4", 0.06),
        ("all-MiniLM-L6-v2", 0.0),
        ("vai-reranker-mini", 0.0),
        ("./model", 0.0),
        ("cross-encoder/ms-marco-MiniLM-L6-v2", 0.0),
        ("tei:http://127.0.0.1:8080", None),
    ],
)
def test_a_price_is_known_without_a_key_is_0_for_what_runs_here_and_none_for_a_server(
    name: str, price: float | None
) -> None:
    tariff = tariff_of(name)
    assert (tariff.usd_per_million_tokens, tariff.runs_here) == (price, price == 0.0)


def test_a_name_that_no_model_has_is_an_error_and_not_free() -> None:
    with pytest.raises(UnknownModel, match=r"`rerank-9`"):
        tariff_of("rerank-9")
