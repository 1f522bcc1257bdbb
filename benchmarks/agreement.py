"""Whether models in folders say what their own libraries say: the greatest difference, for each family.

    python benchmarks/agreement.py --python peer/bin/python
    python benchmarks/agreement.py --python peer/bin/python --questions 40 --json results

Small models with random weights are made by transformers and sentence-transformers, saved in their own layout, exported
to ONNX, and opened by vai as any folder is; once more without the ONNX network, through the extra for PyTorch. Random
weights are stricter than trained ones: every token, position and type changes what comes out. Ends with 1 if a value
differs by more than 1e-4.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import vai
from measuring.machine import describe, provenance
from measuring.options import add_json, at_least_1, described_parser
from measuring.processes import PROGRAMS, environment, write_job
from measuring.report import save, say, table
from vai.types import Json

MOST = 1e-4
PASSAGES = 12
SENTENCES = (
    "how do i configure a replica set when the primary is lost another member takes over after an election",
    "Indexes make queries fast, and slow down writes; each index has to be kept in memory. What does sharding cost?",
    "It spreads documents over servers by a key — choose it well! Ein Index hält Zeiger auf Dokumente.",
    "Les requêtes sont lues par le serveur; naïve façade, Zürich. 3.14 and 2,048 are numbers, foo_bar() is a call",
    "C++ is no word. 日本語 も ある",
)
WORDS = " ".join(SENTENCES).split()


@dataclass(frozen=True, slots=True)
class Difference:
    """A model's values beside its library's: how many, how far they reach, and the greatest difference each way."""

    name: str
    kind: str
    values: int
    reach: float
    onnx: float
    pytorch: float

    @property
    def agrees(self) -> bool:
        """Whether both ways say the same; a value that is missing does not."""
        return max(self.onnx, self.pytorch) <= MOST


def main() -> None:
    """Make the models, ask everybody, print the table."""
    options = parsed_options()
    questions = made_questions(options.questions)
    with tempfile.TemporaryDirectory() as scratch:
        job: dict[str, Json] = {"folder": scratch, "questions": questions}
        say("making models with random weights, and asking their own libraries")
        theirs = run(options.python, "random_models.py", write_job(Path(scratch) / "job.json", job))
        job["models"] = [{"name": model["name"], "kind": model["kind"]} for model in theirs["models"]]
        say("asking vai with PyTorch")
        torch = run(options.python, "torch_models.py", write_job(Path(scratch) / "job.json", job))
        say("asking vai with ONNX Runtime")
        differences = [
            compared(model, through, vai_values(Path(scratch) / model["name"], model["kind"], questions))
            for model, through in zip(theirs["models"], torch["models"], strict=True)
        ]
    report(options, theirs["versions"], differences)


def made_questions(count: int) -> list[dict[str, Any]]:
    """Queries and passages of all lengths, from nothing at all to several times what the models read at once."""
    chosen = random.Random(5)

    def text(words: int) -> str:
        return " ".join(chosen.choices(WORDS, k=words))

    return [
        {
            "query": text(chosen.choice((1, 4, 9, 16, 60))),
            "passages": [
                "",
                *(text(chosen.choice((1, 7, 20, 40, 60, 90, 160, 400))) for _ in range(PASSAGES - 1)),
            ],
        }
        for _ in range(count)
    ]


def run(python: Path, program: str, job: Path) -> Any:
    """What a program says, run by the interpreter that has the libraries, with vai's sources on its path."""
    sources = str(Path(vai.__file__).parents[1])
    done = subprocess.run(
        [python, PROGRAMS / program, job],
        env={**environment(), "PYTHONPATH": sources, "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        cwd=os.fspath(job.parent),
    )
    if done.returncode != 0:
        raise SystemExit(f"`{python} {program}` ended with {done.returncode}:\n{done.stderr[-4000:]}")
    return json.loads(done.stdout)


def vai_values(folder: Path, kind: str, questions: Sequence[Any]) -> list[Any]:
    """What vai makes of the ONNX network, as anybody would ask it."""
    if kind == "reranker":
        reranker = vai.open_reranker(str(folder))
        return [reranker.score(item["query"], item["passages"]).values.tolist() for item in questions]
    embedder = vai.open_embedder(str(folder))
    return [
        [embedder.embed_query(item["query"]).tolist(), *embedder.embed_documents(item["passages"]).tolist()]
        for item in questions
    ]


def compared(model: Any, through_pytorch: Any, through_onnx: list[Any]) -> Difference:
    """The greatest differences; infinite where a value is missing."""
    expected = np.array(model["values"], dtype=np.float64)

    def greatest(values: Any) -> float:
        found = np.abs(np.array(values, dtype=np.float64) - expected)
        return float(np.nan_to_num(found, nan=np.inf).max())

    return Difference(
        name=model["name"],
        kind=model["kind"],
        values=expected.shape[0] * expected.shape[1],
        reach=float(np.ptp(expected)),
        onnx=greatest(through_onnx),
        pytorch=greatest(through_pytorch["values"]),
    )


def report(options: argparse.Namespace, versions: dict[str, Json], differences: Sequence[Difference]) -> None:
    """The table on standard output, everything in the file; ends with 1 if something differs."""
    found = provenance()
    print(f"{describe(found)}\n{' · '.join(f'{name} {number}' for name, number in versions.items())}\n")
    rows = [
        [
            each.name,
            each.kind,
            f"{each.values:,}",
            f"{each.reach:.2f}",
            f"{each.onnx:.1e}",
            f"{each.pytorch:.1e}",
            "yes" if each.agrees else "no",
        ]
        for each in differences
    ]
    header = ["model", "kind", "texts", "reach", "difference, ONNX", "difference, PyTorch", "agrees"]
    print(table(header, rows))
    if options.json:
        results: Json = [
            {
                "name": each.name,
                "kind": each.kind,
                "texts": each.values,
                "onnx": each.onnx,
                "pytorch": each.pytorch,
            }
            for each in differences
        ]
        result = {
            "schema": "vai.benchmark.agreement/1",
            **found,
            "libraries": versions,
            "most": MOST,
            "results": results,
        }
        say(f"written: {save(result, options.json, 'agreement')}")
    if not all(each.agrees for each in differences):
        raise SystemExit(1)


def parsed_options() -> argparse.Namespace:
    """The command line."""
    parser = described_parser(__doc__)
    add = parser.add_argument
    add(
        "--python",
        type=Path,
        required=True,
        metavar="INTERPRETER",
        help="one that has benchmarks/requirements.txt",
    )
    add(
        "--questions",
        type=at_least_1,
        default=30,
        metavar="N",
        help=f"queries, with {PASSAGES} passages each [30]",
    )
    add_json(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
