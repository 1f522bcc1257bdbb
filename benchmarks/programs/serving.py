"""What the programs that rerank have in common: a job's questions, read whenever a line on standard input asks for it.

The job is a JSON file with `threads` and `questions`, each with its `query` and `passages`. A program answers one
line of JSON when it is ready, and one for every line it is sent:

- an empty line: all questions are read; `{"seconds": …}`
- `{"question": 3, "passages": 20}`: one question with the first of its passages; `{"seconds": …}`
- the same with `"values": true`: `{"values": […]}`, in the order of the passages, instead of the time
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Question:
    """A query with the passages that are to be read together with it."""

    query: str
    passages: list[str]


Read = Callable[[Sequence[Question]], list[float]]
"""Reads every passage of some questions; the values in order."""


def read_job(path: str) -> tuple[Any, list[Question]]:
    """The job and its questions."""
    job = json.loads(Path(path).read_text(encoding="utf-8"))
    return job, [Question(item["query"], item["passages"]) for item in job["questions"]]


def serve(about: Mapping[str, Any], questions: Sequence[Question], read: Read) -> None:
    """Warm up, say what is ready, and work until standard input ends."""
    read([Question(questions[0].query, questions[0].passages[:20])])
    print(json.dumps(about), flush=True)
    for line in sys.stdin:
        request = json.loads(line) if line.strip() else {}
        asked = list(questions)
        if request:
            question = questions[request["question"]]
            asked = [Question(question.query, question.passages[: request["passages"]])]
        began = time.perf_counter()
        values = read(asked)
        seconds = time.perf_counter() - began
        print(json.dumps({"values": values} if request.get("values") else {"seconds": seconds}), flush=True)
