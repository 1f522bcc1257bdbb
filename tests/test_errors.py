"""The exception tree, as its module draws it and as it is."""

from __future__ import annotations

import re

import pytest

from vai import errors
from vai.errors import VaiError

CLASSES: dict[str, type[VaiError]] = {
    name: value
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, VaiError)
}
_DRAWN = re.compile(r"^ {4}(?P<branch>[│├└─ ]*)(?P<name>[A-Z]\w+)(?P<rest>.*)$", re.MULTILINE)


def drawn_tree() -> dict[str, tuple[str | None, str]]:
    """For each class in the drawing, the class it hangs from and what is written behind it."""
    tree: dict[str, tuple[str | None, str]] = {}
    above: list[str] = []
    for line in _DRAWN.finditer(errors.__doc__ or ""):
        depth = len(line["branch"]) // 4
        del above[depth:]
        tree[line["name"]] = (above[-1] if above else None, line["rest"])
        above.append(line["name"])
    return tree


def test_the_tree_in_the_docstring_is_the_real_one() -> None:
    real = {name: None if kind is VaiError else kind.__bases__[0].__name__ for name, kind in CLASSES.items()}
    assert {name: parent for name, (parent, _) in drawn_tree().items()} == real
    assert all(len(kind.__bases__) == 1 for kind in CLASSES.values())


def test_the_exit_codes_in_the_docstring_are_the_real_ones() -> None:
    written = {name: re.match(r" +(\d+)\b", rest) for name, (_, rest) in drawn_tree().items()}
    codes = {name: int(found[1]) for name, found in written.items() if found}
    assert codes == {
        "WrongUse": 2,
        "MissingPart": 3,
        "StoreFailure": 3,
        "RemoteFailure": 3,
        "BudgetSpent": 3,
        "Interrupted": 130,
    }
    assert {name: CLASSES[name].exit_code for name in codes} == codes


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_has_the_exit_code_of_the_branch_it_hangs_from(name: str) -> None:
    parent, rest = drawn_tree()[name]
    code = re.match(r" +(\d+)\b", rest)
    if parent is not None and code is None:
        assert CLASSES[name].exit_code == CLASSES[parent].exit_code


def test_the_module_holds_no_exception_outside_the_tree() -> None:
    strangers = [
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, BaseException) and name not in CLASSES
    ]
    assert strangers == []


@pytest.mark.parametrize("name", CLASSES)
def test_an_error_holds_its_sentence_and_its_hint(name: str) -> None:
    error = CLASSES[name]("there is no store at `x`", hint="make one")
    assert (str(error), error.message, error.hint) == (
        "there is no store at `x`",
        "there is no store at `x`",
        "make one",
    )
    assert CLASSES[name]("alone").hint is None


def test_every_class_says_what_it_stands_for() -> None:
    sayings = [kind.__doc__ for kind in CLASSES.values()]
    assert all(sayings)
    assert len(set(sayings)) == len(sayings)
