"""Flags that benchmarks share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from vai.models.catalog import DEFAULT_RERANKER


def described_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser whose help shows a module's docstring as it is written."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def collections_parser(description: str | None, *, queries: int) -> argparse.ArgumentParser:
    """A parser with the flags that say which test collections are measured; `queries` of each, unless told else."""
    parser = described_parser(description)
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="DIR", help="folder of test collections, zips or folders")
    add("--sets", type=names, default=(), metavar="A,B", help="some of them [all]")
    add(
        "--queries",
        type=at_least_1,
        default=queries,
        metavar="N",
        help=f"at most so many of a set, chosen at random [{queries}]",
    )
    add("--store", type=Path, metavar="DIR", help="keep corpora and store there, and use them again")
    return parser


def add_ignore_own(parser: argparse.ArgumentParser) -> None:
    """The flag that names the sets in which a query's own document is to be left out."""
    parser.add_argument(
        "--ignore-own",
        type=names,
        default=("arguana",),
        metavar="A,B",
        help="sets whose queries are documents",
    )


def add_limit(parser: argparse.ArgumentParser) -> None:
    """The flag that says how many candidates stage 2 reads."""
    parser.add_argument(
        "--limit", type=at_least_1, default=20, metavar="N", help="candidates that stage 2 reads [20]"
    )


def add_peer_python(parser: argparse.ArgumentParser) -> None:
    """The flag that names what runs other libraries; without it they are left out."""
    parser.add_argument(
        "--peer-python", type=Path, metavar="PYTHON", help="interpreter with benchmarks/requirements.txt"
    )


def add_rerank_model(parser: argparse.ArgumentParser) -> None:
    """The flag that names the model of stage 2."""
    parser.add_argument(
        "--rerank-model",
        default=DEFAULT_RERANKER,
        metavar="NAME",
        help=f"model of stage 2 [{DEFAULT_RERANKER}]",
    )


def add_only(parser: argparse.ArgumentParser, parts: Sequence[str]) -> None:
    """The flag that names the parts that are measured."""

    def chosen(text: str) -> tuple[str, ...]:
        named = names(text)
        for part in named:
            if part not in parts:
                raise argparse.ArgumentTypeError(f"there is no part called {part!r}: {', '.join(parts)}")
        return named

    parser.add_argument(
        "--only",
        type=chosen,
        default=tuple(parts),
        metavar="PART,…",
        help=f"some of: {', '.join(parts)} [all]",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """The flag that says where the result is written."""
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the result there, a .json file or a folder"
    )


def at_least_1(text: str) -> int:
    """A flag's value as a whole number from 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"numbers must be at least 1: {text}")
    return number


def counts(text: str) -> tuple[int, ...]:
    """A flag's value as whole numbers from 1, in order."""
    return tuple(sorted({at_least_1(number) for number in text.split(",")}))


def names(text: str) -> tuple[str, ...]:
    """A flag's value as names."""
    return tuple(name for name in text.split(",") if name)


def numbers(text: str) -> list[float]:
    """A flag's value as numbers, in order."""
    return sorted({float(number) for number in text.split(",")})
