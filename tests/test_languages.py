"""A cheap look at the language of a text, which would rather say nothing than something wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vai.languages import FUNCTION_WORDS, is_foreign

ENGLISH = ("en",)
SENTENCES = {
    "de": "Wie kann ich die Replikate einrichten und wann wird das gespeichert, wenn es nicht geht?",
    "en": "How do I configure the replica sets, and what is written when it does not work?",
    "es": "¿Cómo puedo configurar las réplicas para que se guarde por la noche con los datos?",
    "fr": "Comment est-ce que je peux faire une copie des données dans le dossier pour les nuits ?",
    "it": "Come posso fare una copia della cartella, e perché non sono salvati anche gli altri?",
    "nl": "Hoe kan ik een kopie van het bestand maken als deze niet wordt opgeslagen met de rest?",
    "pt": "Como posso fazer uma cópia para que os dados não sejam perdidos quando isso está cheio?",
}
OTHER_LETTERS = {
    "ru": "Как настроить реплики и что записывается",
    "zh": "如何配置副本集",
    "ja": "レプリカセットを設定するには",
    "ko": "복제본 세트를 어떻게 구성합니까",
    "ar": "كيف يمكنني تكوين مجموعات النسخ المتماثلة",
    "el": "Πώς ρυθμίζω τα αντίγραφα",
    "hi": "मैं प्रतिकृति सेट कैसे कॉन्फ़िगर करूं",
}


def test_there_is_a_sentence_for_every_language_that_is_told_apart() -> None:
    assert set(SENTENCES) == set(FUNCTION_WORDS)


@pytest.mark.parametrize("language", SENTENCES)
@pytest.mark.parametrize("trained", FUNCTION_WORDS)
def test_a_sentence_is_foreign_to_every_other_language(language: str, trained: str) -> None:
    assert is_foreign(SENTENCES[language], (trained,)) == (language != trained)


@pytest.mark.parametrize("text", OTHER_LETTERS.values(), ids=OTHER_LETTERS.keys())
def test_other_letters_are_foreign_to_languages_in_latin_ones(text: str) -> None:
    assert is_foreign(text, ENGLISH)
    assert is_foreign(text, ("de", "en"))


def test_a_sentence_in_any_of_the_languages_is_fine() -> None:
    assert not is_foreign(SENTENCES["de"], ("en", "de"))
    assert not is_foreign(SENTENCES["en"], ("en", "de"))
    assert is_foreign(SENTENCES["fr"], ("en", "de"))


@given(text=st.text())
def test_a_model_for_any_language_finds_nothing_foreign(text: str) -> None:
    assert not is_foreign(text, ())


@pytest.mark.parametrize("languages", [("ru",), ("en", "zh"), ("da",)])
@pytest.mark.parametrize("text", [*SENTENCES.values(), *OTHER_LETTERS.values()])
def test_nothing_is_said_for_a_model_of_a_language_that_is_not_known(
    text: str, languages: tuple[str, ...]
) -> None:
    assert not is_foreign(text, languages)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "12 345 – 67.8 %",
        "replica sets",
        "quick lookup",
        "MongoDB Atlas",
        "def main(): return os.path.join(a, b)",
        "x ≤ y ∧ z ∈ ℝ",
        "naïve café, Zürich",
        "der Wanderer",
        "The Greek letter π is written as pi, and Москва is the capital of Russia",
        "El Niño and La Niña are the names of the warm and the cold phase of a cycle",
    ],
)
def test_what_is_no_proof_of_another_language_is_passed(text: str) -> None:
    assert not is_foreign(text, ENGLISH)


def test_only_the_beginning_is_looked_at() -> None:
    assert not is_foreign("the cat is on the mat " * 100 + OTHER_LETTERS["ru"] * 1_000, ENGLISH)


@given(
    chosen=st.lists(
        st.sampled_from(sorted({word for table in FUNCTION_WORDS.values() for word in table.split()}))
    )
)
def test_capital_letters_and_punctuation_change_nothing(chosen: list[str]) -> None:
    assert is_foreign(" ".join(chosen), ENGLISH) == is_foreign("! ".join(chosen).upper(), ENGLISH)
