"""Configurations as users write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from vai.errors import InvalidSettings
from vai.evaluation.replaying.specs import NAMED, parse_spec
from vai.planning import plan_query
from vai.settings import Settings

ADDRESS = "cohere:https://host/v2/rerank?scale=logits,max_tokens=300#model"


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("limit=50 blend=0.3", "limit=50 blend=0.3", {"limit": 50, "blend": 0.3}),
        ("blend=.30, limit=50", "limit=50 blend=0.3", {"limit": 50, "blend": 0.3}),
        ("limit=50,blend=1", "limit=50 blend=1", {"limit": 50, "blend": 1.0}),
        ("--num_candidates=90,", "num-candidates=90", {"num_candidates": 90}),
        ("LIMIT=5", "limit=5", {"limit": 5}),
        ("stage1=vector", "stage1=vector", {"stage1": "vector"}),
        (
            "stage1=hybrid fusion=scores words-weight=0.5",
            "stage1=hybrid fusion=scores words-weight=0.5",
            {"stage1": "hybrid", "fusion": "scores", "words_weight": 0.5},
        ),
        ("min-relevance=1e-3", "min-relevance=0.001", {"min_relevance": 0.001}),
    ],
)
def test_settings_are_named_as_flags_are_with_spaces_or_commas_between(
    text: str, name: str, options: dict[str, object]
) -> None:
    spec = parse_spec(text)
    assert (spec.name, spec.options) == (name, options)


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("current", "current", {}),
        ("stage1", "stage1", {"rerank": False}),
        ("reranked", "reranked", {"rerank": True, "blend": 0.0}),
        ("blended", "blended", {"rerank": True}),
        ("stage1 limit=100", "stage1 limit=100", {"rerank": False, "limit": 100}),
        ("stage1 stage1=words", "stage1 stage1=words", {"rerank": False, "stage1": "words"}),
        ("current, limit=7", "limit=7", {"limit": 7}),
        ("no-rerank", "stage1", {"rerank": False}),
        ("limit=7 rerank=no", "stage1 limit=7", {"rerank": False, "limit": 7}),
        ("rerank=yes", "blended", {"rerank": True}),
    ],
)
def test_a_name_stands_alone_or_before_changes_and_one_thing_has_one_name(
    text: str, name: str, options: dict[str, object]
) -> None:
    spec = parse_spec(text)
    assert (spec.name, spec.options) == (name, options)


@pytest.mark.parametrize(
    ("text", "model"),
    [
        (f"rerank-model={ADDRESS}", ADDRESS),
        (f"limit=20 rerank-model={ADDRESS},blend=0.3", ADDRESS),
        (f"rerank-model={ADDRESS},no-rerank", ADDRESS),
        ("rerank-model='a folder/of models, limit=7'", "a folder/of models, limit=7"),
        ("""rerank-model="o'neil's" """, "o'neil's"),
        ("""rerank-model='"this"'""", '"this"'),
    ],
)
def test_a_models_name_may_hold_commas_equals_signs_and_with_quotation_marks_spaces(
    text: str, model: str
) -> None:
    spec = parse_spec(text)
    assert spec.options["rerank_model"] == model
    assert parse_spec(spec.name) == spec


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("", "a configuration is empty", "`limit=50 blend=0.3`"),
        (" , ", "a configuration is empty", "`stage1`"),
        ("limt=5", "a configuration has no setting `limt`", "did you mean `limit`?"),
        ("colour=red", "a configuration has no setting `colour`", "there are stage1, fusion"),
        ("stage-1", "there is no configuration `stage-1`", "did you mean `stage1`?"),
        ("zebra", "there is no configuration `zebra`", "`reranked`"),
        ("blend", "`blend` has no value", "write `blend=…`"),
        ("limit=", "`limit` of a configuration must be a whole number: ", ""),
        ("limit=5.5", "`limit` of a configuration must be a whole number: 5.5", ""),
        ("blend=half", "`blend` of a configuration must be a number: half", ""),
        ("rerank=maybe", "`rerank` of a configuration must be yes or no: maybe", ""),
        ("rerank-model=", "`rerank-model` of a configuration has no value", ""),
        ('rerank-model="a b', "the quotation marks of a configuration do not go together", ""),
        ("limit=5 limit=6", "a configuration has `limit` twice", ""),
        ("limit=5 stage1", "`stage1` stands behind other settings", "the name comes first"),
        ("reranked blend=0.3", "`reranked` already says what blend is", "leave `reranked` out"),
        ("stage1 rerank=yes", "`stage1` already says what rerank is", "leave `stage1` out"),
        ("top-k=5", "a configuration cannot have `top-k`", "ndcg@10"),
        ("exact=yes", "a configuration cannot have `exact`", "`--exact`"),
    ],
)
def test_what_cannot_be_understood_is_one_sentence_with_what_may_be_meant(
    text: str, said: str, hint: str
) -> None:
    with pytest.raises(InvalidSettings) as raised:
        parse_spec(text)
    assert said in raised.value.message
    assert "\n" not in raised.value.message
    assert hint in (raised.value.hint or "")


SETTINGS = some.fixed_dictionaries(
    {},
    optional={
        "stage1": some.sampled_from(["vector", "words", "hybrid"]),
        "limit": some.integers(1, 10_000),
        "num-candidates": some.integers(1, 10_000),
        "blend": some.floats(0, 1),
        "min-relevance": some.floats(0, 1),
        "rerank-model": some.text("ab/:=,?# .@", min_size=1).filter(str.strip),
    },
)


@given(name=some.sampled_from(["", *NAMED]), settings=SETTINGS)
def test_a_spec_is_read_again_from_its_name(name: str, settings: dict[str, object]) -> None:
    if name == "reranked":
        settings = {key: value for key, value in settings.items() if key != "blend"}
    words = [name, *(f'{key}="{value}"' for key, value in settings.items())]
    if not any(words):
        words = ["current"]
    spec = parse_spec(" ".join(words))
    assert parse_spec(spec.name) == spec
    assert {key: value for key, value in spec.options.items() if key not in NAMED.get(name, {})} == {
        key.replace("-", "_"): value for key, value in settings.items()
    }


@pytest.mark.parametrize("name", NAMED)
def test_every_name_is_a_query_that_can_be_planned(name: str) -> None:
    plan = plan_query(Settings(), **parse_spec(name).options)
    assert plan.rerank == (name != "stage1")
