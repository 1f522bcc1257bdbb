"""What words a text is taken to be made of."""

from __future__ import annotations

import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vai.engines import analysis
from vai.engines.analysis import LONGEST_TERM, STOP_WORDS, query_terms, terms


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("num_candidates", "raise `settings.num_candidates` to 200"),
        ("candidates", "raise `num_candidates` to 200"),
        ("--num-candidates", "the parameter num_candidates"),
        ("numCandidates", "the parameter num_candidates"),
        ("getUserName", "call getUserName() first"),
        ("user", "call getUserName() first"),
        ("http", "an XMLHttpRequest failed"),
        ("numpy.linalg.norm", "`numpy.linalg.norm` of a vector"),
        ("linalg", "`numpy.linalg.norm` of a vector"),
        ("std::vector", "a std::vector<int>"),
        ("vector", "a std::vector<int>"),
        ("e0308", "error[E0308]: mismatched types"),
        ("0308", "error[E0308]: mismatched types"),
        ("ERR_SSL_PROTOCOL", "net::ERR_SSL_PROTOCOL_ERROR"),
        ("protocol", "net::ERR_SSL_PROTOCOL_ERROR"),
        ("--no-rerank", "run it with --no-rerank"),
        ("rerank", "run it with --no-rerank"),
        ("C++", "written in c++17"),
        ("c#", "written in C#."),
        ("Notepad", "open it in Notepad++"),
        ("0x80070005", "failed with 0x80070005"),
        ("80070005", "failed with 0x80070005"),
        ("8007000E", "failed with 0x8007000e"),
        ("2.1.3", "since v2.1.3"),
        ("v2.1.3", "since 2.1.3"),
        ("query.py", "src/vai/query.py"),
        ("sha-256", "its SHA256 is"),
        ("email", "by e-mail"),
        ("GPU", "on GPUs"),
        ("api", "the APIs of"),
        ("usa", "in the U.S.A. today"),
        ("candidate", "twenty candidates"),
        ("brien", "said O'Brien"),
        ("user", "the user’s name"),
        ("homme", "l’homme"),
        ("__all__", "sets `__all__`"),
        ("404", "HTTP404"),
    ],
)
def test_a_query_with_a_whole_or_a_part_of_a_word_finds_it(query: str, text: str) -> None:
    assert set(query_terms(query)) & set(terms(text))


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("v2.1.3", "since v2.13"),
        ("C++", "written in C"),
        ("C#", "written in C"),
        ("numpy.linalg.norm", "a different path"),
        ("gas", "on GPUs"),
    ],
)
def test_other_words_are_not_found(query: str, text: str) -> None:
    assert not set(query_terms(query)) & set(terms(text))


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("cafe", "ein Café"),
        ("naïve", "naive"),
        ("STRASSE", "Straße"),
        ("find", "ﬁnd"),
        ("ABC", "ＡＢＣ"),
        ("m2", "20 m²"),
        (unicodedata.normalize("NFD", "Żółw"), unicodedata.normalize("NFC", "żółw")),
        ("trennung", "Tren\u00adnung"),
        ("ГОРОД", "город"),
        ("हिन्दी", "वह हिन्दी है"),
    ],
)
def test_case_accents_and_ways_of_encoding_make_no_difference(query: str, text: str) -> None:
    assert set(terms(query)) <= set(terms(text))


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("日本語", "これは日本語のテキストです"),
        ("猫", "黒猫が好き"),
        ("编程", "使用Python编程"),
        ("python", "使用Python编程"),
        ("한국어", "한국어를 배운다"),
        ("ภาษา", "นี่คือภาษาไทย"),
    ],
)
def test_a_word_of_a_language_without_spaces_is_found_inside_of_a_sentence(query: str, text: str) -> None:
    assert set(query_terms(query)) <= set(terms(text))


def test_the_whole_comes_beside_the_parts() -> None:
    assert terms("vai.num_candidates") == ["vai.numcandidates", "vai", "numcandid", "num", "candid"]


def test_a_word_that_says_the_same_in_whole_and_in_parts_is_counted_once() -> None:
    assert terms("candidates, candidates") == ["candid", "candid"]


def test_a_query_has_each_term_once_and_no_stop_words() -> None:
    assert query_terms("What is the norm of the norm?") == ["norm"]


def test_a_query_of_stop_words_alone_keeps_them() -> None:
    assert query_terms("To be or not to be") == ["to", "be", "or", "not"]


def test_stop_words_are_terms_as_they_are() -> None:
    for word in STOP_WORDS:
        assert terms(word) == [word]


@pytest.mark.parametrize("data", ["QUJDREVG" * 40, "0x" + "9f" * 40, "QUJD" * 40 + "++"])
def test_data_in_the_middle_of_text_is_skipped(data: str) -> None:
    assert terms(f"red {data} blue") == ["red", "blue"]


@pytest.mark.parametrize("text", ["", " \n", "… — !?", "_ ___ __", "++ # . ' ::"])
def test_a_text_without_words_has_no_terms(text: str) -> None:
    assert terms(text) == query_terms(text) == []


ALPHABET = st.characters() | st.sampled_from("aB9_-.':+#é日한ﬁ²½\u0301\u00ad\u0130")


@given(text=st.text(ALPHABET, max_size=60))
def test_terms_are_short_words_without_spaces_in_whatever_text(text: str) -> None:
    for term in terms(text):
        assert 0 < len(term) <= LONGEST_TERM
        assert not any(character.isspace() for character in term)
        term.encode()


@given(words=st.lists(st.text(ALPHABET, max_size=12), max_size=6))
def test_texts_one_after_another_have_the_terms_of_each(words: list[str]) -> None:
    assert terms(" \n".join(words)) == [term for word in words for term in terms(word)]


def test_forgetting_words_changes_no_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(f"word{number} getName{number}" for number in range(50))
    expected = terms(text)
    monkeypatch.setattr(analysis, "_CACHED_WORDS", 7)
    monkeypatch.setattr(analysis, "_terms_of_words", analysis._TermsOfWords())
    assert terms(text) == expected
    assert len(analysis._terms_of_words) <= 7


def test_threads_get_the_terms_that_one_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"candidates{number} relational embeddings running{number}ly" for number in range(200)]
    expected = [terms(text) for text in texts]
    monkeypatch.setattr(analysis, "_terms_of_words", analysis._TermsOfWords())
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(terms, texts)) == expected
