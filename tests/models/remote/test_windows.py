"""Where long texts are cut."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vai.models.local.templates import MOST_WINDOWS
from vai.models.remote.lengths import utf8_length
from vai.models.remote.windows import best_window, cut_at, windows_of

any_text = st.text(st.characters(codec=None), min_size=1, max_size=400)
prose = st.lists(
    st.sampled_from(["a", "word", "größe", "日本語", "longer-than-the-room-there-is"]), min_size=1
).map(" ".join)


@given(text=any_text | prose, room=st.integers(4, 60))
@example(text="\ud83d" * 50, room=4)
@example(text="😀" * 50, room=4)
def test_windows_fit_overlap_and_leave_nothing_out(text: str, room: int) -> None:
    windows = windows_of(text, room)

    assert windows[0][0] == 0
    assert all(start < end and utf8_length(text[start:end]) <= room for start, end in windows)
    for (start, end), (next_start, next_end) in itertools.pairwise(windows):
        assert start < next_start <= end < next_end
    assert windows[-1][1] == len(text) or len(windows) == MOST_WINDOWS


@given(text=any_text)
def test_a_text_that_fits_is_one_window(text: str) -> None:
    assert windows_of(text, utf8_length(text)) == [(0, len(text))]


def test_windows_begin_and_end_at_words() -> None:
    text = "one two three four five six seven"
    pieces = [text[start:end] for start, end in windows_of(text, 16)]
    assert pieces == ["one two three ", "four five six ", "seven"]


def test_windows_overlap_by_a_quarter_where_words_let_them() -> None:
    text = "a b c d e f g h i j k l"
    pieces = [text[start:end] for start, end in windows_of(text, 12)]
    assert pieces == ["a b c d e f ", "f g h i j k ", "k l"]


def test_a_text_without_white_space_is_cut_anywhere() -> None:
    assert windows_of("x" * 10, 4) == [(0, 4), (3, 7), (6, 10)]


def test_no_passage_has_more_windows_than_are_read() -> None:
    windows = windows_of("word " * 10_000, 20)
    assert len(windows) == MOST_WINDOWS
    assert windows[-1][1] < 50_000


def test_a_character_is_never_cut() -> None:
    assert cut_at("日本語", 0, 4) == 1
    assert cut_at("日本語", 0, 1) == 1  # less than one character is none
    assert cut_at("", 0, 4) == 0


def test_a_cut_leaves_at_least_half_of_the_room_in_use() -> None:
    assert cut_at("a " + "b" * 100, 0, 20) == 20
    assert cut_at("a" * 15 + " " + "b" * 100, 0, 20) == 16


@pytest.mark.parametrize(
    ("values", "best"),
    [
        ([0.5], (0.5, None)),
        ([0.1, 0.7, 0.3], (0.7, (2, 5))),
        ([-3.0, -1.0, -1.0], (-1.0, (2, 5))),
    ],
)
def test_a_passage_is_worth_what_its_best_window_is_the_first_of_equals(
    values: list[float], best: tuple[float, tuple[int, int] | None]
) -> None:
    assert best_window(values, [(0, 3), (2, 5), (4, 7)][: len(values)]) == best


def test_a_passage_of_which_a_window_was_not_read_has_no_value() -> None:
    value, window = best_window([0.9, math.nan], [(0, 3), (2, 5)])
    assert math.isnan(value)
    assert window is None
