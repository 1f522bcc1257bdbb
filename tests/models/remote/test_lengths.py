"""What bytes say of tokens, and how texts are shared out among requests."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vai.models.remote.lengths import TEMPLATE_TOKENS, in_requests, likely_tokens, most_tokens

lengths = st.lists(st.integers(0, 30), max_size=40)


@given(lengths=lengths, most=st.integers(1, 5), most_bytes=st.integers(1, 60))
def test_requests_hold_every_text_once_in_order_and_no_more_than_they_may(
    lengths: list[int], most: int, most_bytes: int
) -> None:
    requests = [lengths[request] for request in in_requests(lengths, most=most, most_bytes=most_bytes)]

    assert [length for request in requests for length in request] == lengths
    assert all(1 <= len(request) <= most for request in requests)
    assert all(sum(request) <= most_bytes or len(request) == 1 for request in requests)


@given(lengths=lengths, most=st.integers(1, 5), most_bytes=st.integers(1, 60))
def test_a_request_ends_only_where_the_next_text_would_be_too_much(
    lengths: list[int], most: int, most_bytes: int
) -> None:
    requests = list(in_requests(lengths, most=most, most_bytes=most_bytes))

    for request in requests[:-1]:
        held = lengths[request]
        assert len(held) == most or sum(held) + lengths[request.stop] > most_bytes


def test_a_text_has_at_most_as_many_tokens_as_bytes_and_never_more_than_are_read() -> None:
    assert most_tokens(["", "größe"], 1_000) == 2 * TEMPLATE_TOKENS + 7
    assert most_tokens(["", "größe"], 1_000, query="ab") == 2 * (TEMPLATE_TOKENS + 2) + 7
    assert most_tokens(["x" * 5_000], 1_000) == 1_000


def test_prose_has_a_token_for_four_bytes_of_query_and_text() -> None:
    assert likely_tokens(["", "word", "words"]) == 0 + 1 + 2
    assert likely_tokens(["word"], query="two words") == 4
