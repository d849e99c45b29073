"""JSON read from a file nobody vouches for: bounded in size and depth, never a RecursionError."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TypeAlias

from opcheck.errors import UnreadableModelError

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = "dict[str, Json]"

MAX_BYTES = 32 * 2**20  # the largest configs seen (thousands of layers) are below 10 MB
MAX_VALUES = 2_000_000  # each takes up to 200 bytes once it is read
MAX_DEPTH = 200  # Keras writes about three levels for each nested model


def parse_object(text: str | bytes, what: str) -> JsonObject:
    """Parse a JSON object; ``what`` names it in the message of the UnreadableModelError."""
    if len(text) > MAX_BYTES:
        raise UnreadableModelError(f"{what} is larger than {MAX_BYTES >> 20} MB.")
    comma, bracket, brace = (b",", b"[", b"{") if isinstance(text, bytes) else (",", "[", "{")
    if text.count(comma) + text.count(bracket) + text.count(brace) > MAX_VALUES:  # type: ignore[arg-type]
        raise UnreadableModelError(f"{what} holds more than {MAX_VALUES} values.")
    try:
        tree: Json = json.loads(text)
        deep = depth_exceeds(tree, MAX_DEPTH)
    except (RecursionError, MemoryError):
        deep = True
    except ValueError as error:  # covers JSONDecodeError, UnicodeDecodeError and huge integers
        raise UnreadableModelError(f"{what} is not valid JSON ({_first_line(error)}).") from None
    if deep:
        raise UnreadableModelError(f"{what} is nested deeper than {MAX_DEPTH} levels.")
    if not isinstance(tree, dict):
        raise UnreadableModelError(f"{what} is JSON, but not an object.")
    if _has_lone_surrogates(text, tree):
        raise UnreadableModelError(f"{what} holds text that is not Unicode (half a character).")
    return tree


def _has_lone_surrogates(text: str | bytes, tree: Json) -> bool:
    """Whether ``\\ud800`` and the like stand alone: no name of an op or a report can hold them."""
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if b"\\ud" not in raw.lower():
        return False
    try:
        json.dumps(tree, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def depth_exceeds(tree: Json, limit: int) -> bool:
    """Whether containers nest deeper than ``limit``; walks level by level, without recursion."""
    level = [tree]
    for _ in range(limit + 1):
        level = [child for node in level for child in _items(node)]
        if not level:
            return False
    return True


def _items(node: Json) -> Iterator[Json]:
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return (child for child in children if isinstance(child, (dict, list)))


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__
