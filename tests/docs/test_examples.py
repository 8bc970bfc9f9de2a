"""Examples in docstrings: they print what they say, and no public function is without one."""

from __future__ import annotations

import doctest
import importlib
import inspect
from types import ModuleType
from typing import Protocol

import pytest
from study import REPO

MODULES = [
    f"stages.{room}.{path.stem}"
    for room in ("geometry", "statistics")
    for path in sorted((REPO / "stages" / room).glob("*.py"))
    if path.stem != "__init__"
]
# They are told about, not called: an exception, and what another class has to look like.
NOT_CALLED = (BaseException, Protocol)


def public(module: ModuleType) -> list[str]:
    """Functions and classes that a module defines for others."""
    return [
        name
        for name, thing in vars(module).items()
        if (inspect.isfunction(thing) or inspect.isclass(thing))
        and thing.__module__ == module.__name__
        and not name.startswith("_")
        and not (inspect.isclass(thing) and set(NOT_CALLED) & set(thing.__mro__))
    ]


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name, capsys):
    failed, tried = doctest.testmod(importlib.import_module(name), report=True)
    assert not failed, capsys.readouterr().out
    assert tried


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_and_class_has_an_example(name):
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(recurse=False)
    assert public(module)
    for thing in public(module):
        text = inspect.getdoc(getattr(module, thing)) or ""
        examples = [test for test in finder.find(getattr(module, thing), thing) if test.examples]
        assert examples and "\nExamples:\n" in text, f"{name}.{thing} has no example"
