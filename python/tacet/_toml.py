"""Recipes as Python gives them, a path, TOML text or a dict, become text and a name for messages. Reading and checking them is
the library's."""

import json
import os
import re
from typing import Any, List, Mapping, Optional, Tuple, Union

from ._load import UserError, core

Recipe = Union[str, "os.PathLike[str]", Mapping[str, Any]]


def value(given: Any, place: str) -> str:
    """Returns a value as TOML. Raises UserError naming the place for a type that no key of a recipe has."""
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, int):
        return repr(int(given))
    if isinstance(given, float):
        return repr(float(given))  # numpy's float64 is a float, and NumPy 2 writes it as np.float64(0.1)
    if isinstance(given, (str, os.PathLike)):
        return json.dumps(os.fspath(given), ensure_ascii=False)
    if isinstance(given, (list, tuple)):
        return "[" + ", ".join(value(v, place) for v in given) + "]"
    if hasattr(given, "item"):  # a number of numpy or torch
        return value(given.item(), place)
    raise UserError("%s must be a number, a text, True, False or a list of numbers, got %r" % (place, given))


def _key(name: Any) -> str:
    text = str(name)
    return text if re.fullmatch(r"[A-Za-z0-9_.-]+", text) else json.dumps(text)


def _lines(table: Mapping[str, Any], prefix: str) -> List[str]:
    lines = []
    for name, given in table.items():
        key = prefix + _key(name)
        if isinstance(given, Mapping):
            lines += _lines(given, key + ".")
        else:
            lines.append("%s = %s" % (key, value(given, "recipe: " + key)))
    return lines


def sets_of(overrides: Optional[Mapping[str, Any]]) -> List[str]:
    """Returns {"table.key": value} as the command's --set arguments."""
    return ["%s=%s" % (key, value(given, "overrides: " + str(key))) for key, given in (overrides or {}).items()]


def text_and_source(recipe: Recipe) -> Tuple[Optional[str], str]:
    """Returns TOML text and its name, or None and the path of a file."""
    if isinstance(recipe, Mapping):
        return "\n".join(_lines(recipe, "")) + "\n", "recipe"
    if not isinstance(recipe, (str, os.PathLike)):
        raise UserError("recipe must be a path, TOML text or a dict, got %r" % (recipe,))
    text = os.fspath(recipe)
    if isinstance(recipe, str) and ("\n" in text or "=" in text) and not os.path.exists(text):
        return text, "recipe"
    return None, text


def parse(recipe: Recipe, sets: List[str]) -> "core.Recipe":
    """Returns the checked recipe. Raises UserError with place, allowed and given."""
    text, source = text_and_source(recipe)
    try:
        return core.load_recipe(source, sets) if text is None else core.parse_recipe(text, source, sets)
    except UserError as error:  # the library names the command's argument
        raise UserError(str(error).replace("--set ", "overrides: ")) from None
