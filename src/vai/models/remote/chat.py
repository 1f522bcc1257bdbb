"""Language models behind an address of the user's that speak OpenAI's format: Ollama, vLLM, LM Studio, llama.cpp …

`openai:http://localhost:11434/v1#llama3.2`: `{model, messages, max_tokens}` goes to `<address>/chat/completions`,
`{choices: [{message: {content}, finish_reason}]}` comes back.
https://platform.openai.com/docs/api-reference/chat

What such a server costs nobody knows here: nothing is booked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vai.errors import InvalidSettings, RemoteRefused
from vai.models.names import ServerName, server_name
from vai.models.remote.addresses import checked_address
from vai.models.remote.answers import field_of
from vai.models.remote.exchange import BrokenAnswer
from vai.models.remote.http import Hints, Patience, RemoteService
from vai.models.remote.servers import SERVER_PATIENCE

if TYPE_CHECKING:
    from vai.models.access import Access
    from vai.types import Json

DEFAULT_MAX_TOKENS = 2_048
"""Of an answer, so that none goes on for ever; a model that reasons spends most of them on its thoughts. `max_tokens`
in the address allows another number."""

MAX_ANSWER_BYTES = 1_000_000

_OLD_BOUND, _NEW_BOUND = "max_tokens", "max_completion_tokens"
"""OpenAI's newer models refuse the old name and say the new one; most servers only know the old one."""

_WHOLE = frozenset({"stop", "eos", None})
"""Why an answer ended that is all there was to say; some servers do not tell."""

_KEY_HINT = "`llm_api_key` in your own settings, or VAI_LLM_API_KEY, is the key that is sent"
_HINTS = Hints(
    address="write `openai:https://host/v1#model`, with the address of what comes before `/chat/completions`",
    unavailable="see that the server runs, and has the model",
    by_status={
        401: _KEY_HINT,
        403: _KEY_HINT,
        404: "the address is what comes before `/chat/completions`, and the model behind `#` has to be there",
    },
)


def open_language_model(name: str, *, access: Access) -> OpenAIChat:
    """The language model at an address; it is not asked yet.

    Raises:
        UnknownModel: the name is not that of a language model's server.
        InvalidSettings: the address, the key or a parameter cannot be one.
    """
    return OpenAIChat(
        server_name(name, "language model"), key=access.llm_key, patience=access.patience or SERVER_PATIENCE
    )


class OpenAIChat:
    """A `LanguageModel` in OpenAI's format. `close` gives back its connections; so does forgetting it.

    Each prompt is a conversation of its own with one message of the user's, because some models have no other role.
    """

    def __init__(self, server: ServerName, *, key: str | None, patience: Patience) -> None:
        without_meaning = sorted(set(server.parameters) - {"max_tokens"})
        if without_meaning:
            raise InvalidSettings(
                f"the address of a language model has no parameter `{without_meaning[0]}`: `{server.name}`",
                hint="it has max_tokens, of an answer",
            )
        self.name = server.name
        self._model = server.model
        self._most = server.number("max_tokens", DEFAULT_MAX_TOKENS)
        self._bound = _OLD_BOUND
        self._service = RemoteService(
            server.place,
            server.address,
            key,
            patience=patience,
            hints=_HINTS,
            max_answer_bytes=MAX_ANSWER_BYTES,
        )
        _, self.runs_here = checked_address(server.place, server.address, None, with_key=False)

    def answer(self, prompt: str) -> str | None:
        """What the model says; None where that is nothing, was held back, or was cut off at the bound.

        Raises:
            RemoteRefused, RemoteUnavailable: see `RemoteService.post`.
        """
        bound = self._bound
        try:
            return self._ask(prompt, bound)
        except RemoteRefused as refused:
            if bound == _NEW_BOUND or _NEW_BOUND not in refused.message:
                raise
        self._bound = _NEW_BOUND
        return self._ask(prompt, _NEW_BOUND)

    def close(self) -> None:
        """Close connections that are kept for the next call."""
        self._service.close()

    def _ask(self, prompt: str, bound: str) -> str | None:
        payload: dict[str, Json] = {"messages": [{"role": "user", "content": prompt}], bound: self._most}
        if self._model is not None:
            payload["model"] = self._model
        return self._service.post("/chat/completions", payload, read_answer)


def read_answer(answer: Json) -> str | None:
    """The text of the one choice; None where there is none, or not all of it.

    Raises:
        BrokenAnswer: there is no such text in it.
    """
    choices = field_of(answer, "choices")
    if not isinstance(choices, list) or not choices:
        raise BrokenAnswer(f"has no choice: {choices!r:.40}")
    content = field_of(field_of(choices[0], "message"), "content")
    if content is not None and not isinstance(content, str):
        raise BrokenAnswer(f"has a content that is no text: {content!r:.40}")
    ended = choices[0].get("finish_reason") if isinstance(choices[0], dict) else None
    return (content or "").strip() or None if ended in _WHOLE else None
