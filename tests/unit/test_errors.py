"""The tree of errors is as it is drawn, and each error says what it carries."""

import inspect
import re

import pytest

from daicho import errors
from daicho.errors import DaichoError


def drawn() -> dict[str, str]:
    """Each error that the module's text draws, with its parent."""
    path: list[str] = []
    parents: dict[str, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^    ([│├└─ ]*)([A-Z]\w+)", line)
        if match:
            depth = len(match[1]) // 4
            path[depth:] = [match[2]]
            if depth:
                parents[match[2]] = path[depth - 1]
    return parents


def defined() -> dict[str, type[DaichoError]]:
    return {
        name: cls
        for name, cls in vars(errors).items()
        if inspect.isclass(cls) and issubclass(cls, DaichoError) and cls is not DaichoError
    }


def test_the_drawn_tree_is_the_tree() -> None:
    assert drawn() == {name: cls.__bases__[0].__name__ for name, cls in defined().items()}


@pytest.mark.parametrize("name", sorted(defined()))
def test_an_error_says_what_it_means(name: str) -> None:
    assert defined()[name].__doc__
