"""Language models behind an address, against a stand-in on this machine."""

from __future__ import annotations

from typing import Any

import pytest

from model_stub import Behaviour, ModelStub, Serve, Waits, cut_off, edited, hung_up, raw, status
from server_stubs import Chat, openai_error
from vai.errors import InvalidSettings, RemoteRefused, RemoteUnavailable, UnknownModel
from vai.models.access import Access
from vai.models.remote.chat import OpenAIChat, open_language_model
from vai.models.remote.http import Patience
from vai.protocols import LanguageModel

KEY = "l-key-123456"


def model_at(stub: ModelStub, patience: Patience, rest: str = "#llama3.2") -> OpenAIChat:
    access = Access(llm_key=stub.key, patience=patience)
    return open_language_model(f"openai:{stub.address}/v1{rest}", access=access)


def saying(text: str | None) -> Chat:
    return Chat(says=lambda _: text)


# ── good answers ──


def test_the_request_is_what_the_contract_asks_for(serve: Serve, patience: Patience) -> None:
    stub = serve(saying("Sea."), KEY)
    model: LanguageModel = model_at(stub, patience)

    assert model.answer("What is wet?") == "Sea."

    (request,) = stub.requests
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.payload == {
        "model": "llama3.2",
        "messages": [{"role": "user", "content": "What is wet?"}],
        "max_tokens": 2_048,
    }
    assert request.headers["authorization"] == f"Bearer {KEY}"


def test_without_a_model_or_a_key_neither_is_sent(serve: Serve, patience: Patience) -> None:
    stub = serve(Chat(model=None, says=lambda _: "Sea."))
    model_at(stub, patience, rest="").answer("What is wet?")
    assert "model" not in stub.requests[0].payload
    assert "authorization" not in stub.requests[0].headers


def test_it_is_called_as_it_was_named_and_nothing_is_asked_before_it_is_needed(
    serve: Serve, patience: Patience
) -> None:
    stub = serve(Chat())
    model = model_at(stub, patience)
    assert model.name == f"openai:{stub.address}/v1#llama3.2"
    assert model.runs_here
    assert stub.requests == []


def test_a_server_elsewhere_is_known_to_be_elsewhere(patience: Patience) -> None:
    model = open_language_model("openai:https://example.org/v1#m", access=Access(patience=patience))
    assert not model.runs_here


def test_a_model_that_wants_the_new_name_of_the_bound_gets_it_from_then_on(
    serve: Serve, patience: Patience
) -> None:
    stub = serve(Chat(says=lambda _: "Sea.", bound="max_completion_tokens"))
    model = model_at(stub, patience)
    assert [model.answer("one"), model.answer("two")] == ["Sea.", "Sea."]
    sent = [sorted(set(request.payload) - {"messages", "model"}) for request in stub.requests]
    assert sent == [["max_tokens"], ["max_completion_tokens"], ["max_completion_tokens"]]


# ── answers that are none ──


@pytest.mark.parametrize("said", [None, "", "  \n "])
def test_a_model_that_says_nothing_has_no_answer(said: str | None, serve: Serve, patience: Patience) -> None:
    assert model_at(serve(saying(said)), patience).answer("What is wet?") is None


def test_an_answer_that_was_cut_off_is_none(serve: Serve, patience: Patience) -> None:
    stub = serve(saying("one two three four"))
    assert model_at(stub, patience, rest="?max_tokens=3#llama3.2").answer("count") is None
    assert model_at(stub, patience, rest="?max_tokens=4#llama3.2").answer("count") == "one two three four"
    assert len(stub.requests) == 2


def test_an_answer_that_a_filter_held_back_is_none(serve: Serve, patience: Patience) -> None:
    stub = serve(saying("Sea."))
    stub.then(edited(lambda answer: answer["choices"][0].update(finish_reason="content_filter")))
    assert model_at(stub, patience).answer("What is wet?") is None


def test_a_server_that_does_not_say_why_it_ended_is_believed(serve: Serve, patience: Patience) -> None:
    stub = serve(saying("Sea."))
    stub.then(edited(lambda answer: answer["choices"][0].pop("finish_reason")))
    assert model_at(stub, patience).answer("What is wet?") == "Sea."


def broken(change: Any) -> Behaviour:
    return edited(change)


@pytest.mark.parametrize(
    "behaviour",
    [
        status(503),
        status(429),
        cut_off(),
        hung_up(),
        raw(b"[]"),
        raw(b"{}"),
        raw(b"not json"),
        raw(b"<html>", "text/html"),
        broken(lambda answer: answer.update(choices=[])),
        broken(lambda answer: answer.update(choices="Sea.")),
        broken(lambda answer: answer.update(choices=["Sea."])),
        broken(lambda answer: answer["choices"][0].pop("message")),
        broken(lambda answer: answer["choices"][0].update(message="Sea.")),
        broken(lambda answer: answer["choices"][0]["message"].pop("content")),
        broken(lambda answer: answer["choices"][0]["message"].update(content=["Sea."])),
        broken(lambda answer: answer["choices"][0]["message"].update(content="x" * 1_100_000)),
    ],
)
def test_what_went_wrong_once_is_asked_again(
    behaviour: Behaviour, serve: Serve, patience: Patience, waits: Waits
) -> None:
    stub = serve(saying("Sea."))
    stub.then(behaviour)
    assert model_at(stub, patience).answer("What is wet?") == "Sea."
    assert (len(stub.requests), len(waits.seconds)) == (2, 1)


def test_what_goes_wrong_each_time_is_given_up_with_what_to_do(serve: Serve, patience: Patience) -> None:
    stub = serve(saying("Sea."))
    stub.then(*[status(503, None)] * 4)
    with pytest.raises(RemoteUnavailable, match="failed after 4 attempts: it answered 503") as caught:
        model_at(stub, patience).answer("What is wet?")
    assert "see that the server runs" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("code", "hint"), [(401, "VAI_LLM_API_KEY"), (404, "before `/chat/completions`"), (400, "")]
)
def test_a_server_that_says_no_is_not_asked_again(
    code: int, hint: str, serve: Serve, patience: Patience
) -> None:
    stub = serve(saying("Sea."))
    stub.then(status(code, "no", body=openai_error))
    with pytest.raises(RemoteRefused, match=f"answered {code} .*: no") as caught:
        model_at(stub, patience).answer("What is wet?")
    assert hint in (caught.value.hint or "")
    assert len(stub.requests) == 1


def test_a_model_that_refuses_both_names_of_the_bound_is_asked_twice_and_no_more(
    serve: Serve, patience: Patience
) -> None:
    stub = serve(saying("Sea."))
    stub.then(*[status(400, "no max_completion_tokens", body=openai_error)] * 3)
    with pytest.raises(RemoteRefused):
        model_at(stub, patience).answer("What is wet?")
    assert len(stub.requests) == 2


def test_a_wrong_key_is_not_shown(serve: Serve, patience: Patience) -> None:
    stub = serve(saying("Sea."), KEY)
    access = Access(llm_key="another-key-999", patience=patience)
    with pytest.raises(RemoteRefused) as caught:
        open_language_model(f"openai:{stub.address}/v1#llama3.2", access=access).answer("What is wet?")
    assert "another-key-999" not in caught.value.message


# ── names ──


@pytest.mark.parametrize(
    "name",
    ["llama3.2", "./model", "owner/name", "tei:http://localhost:1", "http://localhost:1/v1", "openai:"],
)
def test_what_is_no_address_of_a_language_model_is_refused_with_how_to_write_one(name: str) -> None:
    with pytest.raises(UnknownModel, match="is not the address of a language model") as caught:
        open_language_model(name, access=Access())
    assert caught.value.hint == "write `openai:https://host/path#model`"


@pytest.mark.parametrize(
    "parameter", ["query_prompt=x", "document_prompt=x", "temperature=0", "max_tokens=many"]
)
def test_a_parameter_without_a_meaning_is_refused(parameter: str) -> None:
    with pytest.raises(InvalidSettings, match=parameter.partition("=")[0]):
        open_language_model(f"openai:http://localhost:1/v1?{parameter}#m", access=Access())


def test_a_password_in_the_address_is_refused_and_not_shown() -> None:
    with pytest.raises(InvalidSettings) as caught:
        open_language_model("openai:http://me:secret@localhost:1/v1#m", access=Access())
    assert "secret" not in caught.value.message
    assert "llm_api_key" in str(caught.value.hint)


def test_closing_it_leaves_it_able_to_be_asked(serve: Serve, patience: Patience) -> None:
    model = model_at(serve(saying("Sea.")), patience)
    model.close()
    assert model.answer("What is wet?") == "Sea."
