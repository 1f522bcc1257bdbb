"""What makes a text a question that a person would type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vai.evaluation.questions.wording import (
    GENERIC,
    LONGEST,
    MOST_WORDS,
    cleaned,
    heading_query,
    is_code,
    is_generic,
    is_question,
    key_of,
    shared_words,
)

# ── headings ──


@pytest.mark.parametrize(
    ("heading", "said"),
    [
        ("2.3 Configure the sets", "Configure the sets"),
        ("1. Getting the data:", "Getting the data"),
        ("Chapter 3: Of whales", "Of whales"),
        ("Q: How do I start?", "How do I start?"),
        ("iv) The fourth", "The fourth"),
        ("🚀 Quick deployment", "Quick deployment"),
        ("3D models", "3D models"),
        ("2 + 2", "2"),
        ("  spaced \n out ¶", "spaced out"),
        ("", ""),
    ],
)
def test_a_heading_is_freed_from_what_only_orders_it(heading: str, said: str) -> None:
    assert cleaned(heading) == said


@pytest.mark.parametrize(
    "heading", ["Introduction", "see also", "USAGE", "Examples:", "Example 2", "1.2.3", "…", ""]
)
def test_headings_that_stand_everywhere_are_generic(heading: str) -> None:
    assert is_generic(heading)


def test_what_is_listed_as_generic_is_found_to_be() -> None:
    assert [name for name in GENERIC if not is_generic(name)] == []
    assert not is_generic("Introduction to whales")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "time.sleep(seconds)",
            "os.path.join",
            "`--force`",
            "--force",
            "list[int]",
            "a -> b",
            "std::vector",
        ),
        *(
            "get_user_name",
            "getUserName",
            "https://example.org",
            "src/vai/cli",
            "x = 1",
            "http.Agent options_dict",
        ),
    ],
)
def test_signatures_paths_and_flags_are_code(text: str) -> None:
    assert is_code(text)


@pytest.mark.parametrize(
    "text",
    [
        "Configure a replica set",
        "What is new in version 2.0?",
        "GPUs (and why)",
        "The end-to-end test",
        "I/O",
    ],
)
def test_prose_is_no_code(text: str) -> None:
    assert not is_code(text)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (("Manual", "Replication", "Configure a replica set quickly"), "Configure a replica set quickly"),
        (("Replication", "Failover"), "Replication Failover"),
        (("Replication", "Overview", "Failover"), "Replication Failover"),
        (("about_Classes", "Inheritance rules"), "about_Classes Inheritance rules"),
        (("Replication", "Failover of replication"), "Failover of replication"),
        (("2. Replication", "2.1 Failover:"), "Replication Failover"),
        (("FAQ", "How do I configure replica sets?"), "How do I configure replica sets?"),
        (("复制集 配置",), "复制集 配置"),
    ],
)
def test_a_heading_becomes_what_a_person_would_type(path: tuple[str, ...], query: str) -> None:
    """A short one gets the nearest one above it that says something else."""
    assert heading_query(path) == query


@pytest.mark.parametrize(
    "path",
    [
        ("Replication", "Introduction"),
        ("Replication", "See also"),
        ("Failover",),
        ("Introduction", "Failover"),
        ("time", "time.sleep(seconds)"),
        ("Replication", "1.2"),
        ("FAQ", "How does it work?"),
        ("FAQ", "Why?"),
        ("Replication", "Use this"),
        ("A " + "very " * MOST_WORDS + "long heading of a page",),
        ("Donaudampfschifffahrt" * 8 + " und anderes",),
    ],
)
def test_a_heading_that_says_too_little_or_too_much_becomes_nothing(path: tuple[str, ...]) -> None:
    assert heading_query(path) is None


@given(st.lists(st.text(max_size=40), min_size=1, max_size=4))
def test_whatever_the_headings_are_a_query_is_short_and_on_one_line(names: list[str]) -> None:
    query = heading_query(tuple(names))
    assert query is None or (0 < len(query) <= LONGEST and query == " ".join(query.split()))


# ── questions ──


@pytest.mark.parametrize(
    "text",
    [
        *("How do I configure replica sets?", "What is new in version 2.0?", "Isn't there a faster way?"),
        *(
            "Wie richte ich eine Replik ein?",
            "¿Cómo se configura?",
            "Où sont les données?",
            "复制集如何配置？",
        ),
    ],
)
def test_questions_are_known_by_their_mark_and_their_first_word(text: str) -> None:
    assert is_question(text)


@pytest.mark.parametrize(
    "text",
    [
        *("Configure replica sets.", "Confused yet?", "How does it work?", "What does this mean?"),
        *("What? And why?", "How do I start...?", "See the list below?", "?", ""),
    ],
)
def test_what_is_no_question_or_lives_from_its_surroundings_is_none(text: str) -> None:
    assert not is_question(text)


# ── comparing ──


@pytest.mark.parametrize(
    "other",
    [
        "Configuring replica sets",
        "How do I configure a replica set?",
        "replica set: configure",
        "Configure replica sets 2.0",
    ],
)
def test_near_duplicates_share_a_key(other: str) -> None:
    assert key_of(other) == key_of("Configure a replica set")


def test_other_questions_have_other_keys() -> None:
    assert key_of("Configure a shard key") != key_of("Configure a replica set")


def test_shared_words_are_counted_in_whatever_form_and_without_the_small_ones() -> None:
    assert shared_words("How do I configure replica sets?", "The set is configured.") == pytest.approx(2 / 3)
    assert shared_words("2.0?", "2.0") == 0.0
    assert shared_words("configure", "nothing of the kind") == 0.0
