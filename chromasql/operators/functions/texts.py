"""Functions of texts. Positions count from 1, in characters."""

from __future__ import annotations

from typing import Any

from chromasql.ast import is_number, is_whole_number
from chromasql.operators.functions.registry import Function, check_size
from chromasql.operators.patterns import compiled_pattern

__all__ = ["TEXTS", "as_text"]


def as_text(value: Any) -> str | None:
    """Return a value as text, as CAST, CONCAT and || write it; None where it has none."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if is_number(value):
        return str(value)
    return None


def _lower(text: Any) -> Any:
    return text.lower() if isinstance(text, str) else None


def _upper(text: Any) -> Any:
    return text.upper() if isinstance(text, str) else None


def _length(value: Any) -> Any:
    return len(value) if isinstance(value, str | list) else None


def _substring(text: Any, start: Any, count: Any = None) -> Any:
    """Take ``count`` characters from ``start``; a start below 1 counts from the end, as in DuckDB."""
    if not isinstance(text, str) or not is_whole_number(start) or not (count is None or is_whole_number(count)):
        return None
    first = start - 1 if start > 0 else len(text) + start if start < 0 else -1
    last = len(text) if count is None else first + count
    if last < first:
        return ""
    return text[max(0, first) : max(0, last)]


def _left(text: Any, count: Any) -> Any:
    if not isinstance(text, str) or not is_whole_number(count):
        return None
    return text[:count] if count >= 0 else text[: max(0, len(text) + count)]


def _right(text: Any, count: Any) -> Any:
    if not isinstance(text, str) or not is_whole_number(count):
        return None
    return text[max(0, len(text) - count) :] if count >= 0 else text[-count:]


def _trim(text: Any, characters: Any = " ") -> Any:
    return text.strip(characters) if isinstance(text, str) and isinstance(characters, str) else None


def _ltrim(text: Any, characters: Any = " ") -> Any:
    return text.lstrip(characters) if isinstance(text, str) and isinstance(characters, str) else None


def _rtrim(text: Any, characters: Any = " ") -> Any:
    return text.rstrip(characters) if isinstance(text, str) and isinstance(characters, str) else None


def _replace(text: Any, old: Any, new: Any) -> Any:
    if not (isinstance(text, str) and isinstance(old, str) and isinstance(new, str)):
        return None
    if not old:
        return text
    if len(new) > len(old):
        check_size(len(text) + text.count(old) * (len(new) - len(old)), "REPLACE")
    return text.replace(old, new)


def _concat(*values: Any) -> Any:
    """Join what has a text, NULL passed over."""
    texts = [text for text in map(as_text, values) if text is not None]
    check_size(sum(map(len, texts)), "CONCAT")
    return "".join(texts)


def _join(left: Any, right: Any) -> Any:
    first, second = as_text(left), as_text(right)
    if first is None or second is None:
        return None
    check_size(len(first) + len(second), "||")
    return first + second


def _split_part(text: Any, separator: Any, index: Any) -> Any:
    if not (isinstance(text, str) and isinstance(separator, str) and is_whole_number(index)) or index == 0:
        return None
    parts = text.split(separator) if separator else [text]
    position = index - 1 if index > 0 else len(parts) + index
    return parts[position] if 0 <= position < len(parts) else ""


def _starts_with(text: Any, prefix: Any) -> Any:
    return text.startswith(prefix) if isinstance(text, str) and isinstance(prefix, str) else None


def _ends_with(text: Any, suffix: Any) -> Any:
    return text.endswith(suffix) if isinstance(text, str) and isinstance(suffix, str) else None


def _position(text: Any, part: Any) -> Any:
    return text.find(part) + 1 if isinstance(text, str) and isinstance(part, str) else None


def _repeat(text: Any, count: Any) -> Any:
    if not isinstance(text, str) or not is_whole_number(count):
        return None
    check_size(len(text) * max(0, count), "REPEAT")
    return text * count


def _reverse(text: Any) -> Any:
    return text[::-1] if isinstance(text, str) else None


def _regexp_extract(text: Any, pattern: Any, group: Any = 0) -> Any:
    if not (isinstance(text, str) and isinstance(pattern, str) and is_whole_number(group)):
        return None
    compiled = compiled_pattern(pattern)
    if not 0 <= group <= compiled.groups:
        return None
    found = compiled.search(text)
    return "" if found is None else found.group(group) or ""


def _regexp_replace(text: Any, pattern: Any, new: Any) -> Any:
    if not (isinstance(text, str) and isinstance(pattern, str) and isinstance(new, str)):
        return None
    compiled = compiled_pattern(pattern)
    pieces: list[str] = []
    size, end = 0, 0
    for found in compiled.finditer(text):
        filled = _filled(new, found)
        size += found.start() - end + len(filled)
        check_size(size, "REGEXP_REPLACE")
        pieces += (text[end : found.start()], filled)
        end = found.end()
    check_size(size + len(text) - end, "REGEXP_REPLACE")
    return "".join([*pieces, text[end:]])


def _filled(template: str, found: Any) -> str:
    r"""Put the groups of a match where the template has ``\1``; ``\0`` is the whole match."""
    if "\\" not in template:
        return template
    out: list[str] = []
    index = 0
    while index < len(template):
        character = template[index]
        following = template[index + 1 : index + 2]
        if character == "\\" and following.isdigit() and int(following) <= found.re.groups:
            out.append(found.group(int(following)) or "")
            index += 2
        elif character == "\\" and following == "\\":
            out.append("\\")
            index += 2
        else:
            out.append(character)
            index += 1
    return "".join(out)


TEXTS = (
    Function("LOWER", _lower, result="text", doc="In lower case.", example="LOWER('Rome') = 'rome'"),
    Function("UPPER", _upper, result="text", doc="In upper case.", example="UPPER('Rome') = 'ROME'"),
    Function(
        "LENGTH",
        _length,
        result="number",
        doc="How many characters a text or elements a list has.",
        example="LENGTH('Rome') = 4",
    ),
    Function(
        "SUBSTRING",
        _substring,
        2,
        3,
        "text",
        doc="From a position, counted from 1 (below 0 from the end), so many characters.",
        example="SUBSTRING('2024-05-01', 1, 7) = '2024-05'",
    ),
    Function("LEFT", _left, 2, 2, "text", doc="The first n characters.", example="LEFT('Rome', 2) = 'Ro'"),
    Function("RIGHT", _right, 2, 2, "text", doc="The last n characters.", example="RIGHT('Rome', 2) = 'me'"),
    Function(
        "TRIM",
        _trim,
        1,
        2,
        "text",
        doc="Without blanks at both ends, or without the characters given.",
        example="TRIM('  a ') = 'a'",
    ),
    Function("LTRIM", _ltrim, 1, 2, "text", doc="Without blanks at the start.", example="LTRIM('  a') = 'a'"),
    Function("RTRIM", _rtrim, 1, 2, "text", doc="Without blanks at the end.", example="RTRIM('a  ') = 'a'"),
    Function(
        "REPLACE",
        _replace,
        3,
        3,
        "text",
        doc="Each occurrence of a text by another.",
        example="REPLACE('a-b', '-', '+') = 'a+b'",
    ),
    Function(
        "CONCAT",
        _concat,
        1,
        None,
        "text",
        strict=False,
        doc="The texts of all arguments, NULL passed over.",
        example="CONCAT('a', NULL, 1) = 'a1'",
    ),
    Function(
        "SPLIT_PART",
        _split_part,
        3,
        3,
        "text",
        doc="The n-th part between separators, counted from 1; '' beyond the last.",
        example="SPLIT_PART('a/b/c', '/', 2) = 'b'",
    ),
    Function(
        "STARTS_WITH",
        _starts_with,
        2,
        2,
        "boolean",
        doc="Whether it begins with a text.",
        example="STARTS_WITH('Rome', 'Ro')",
    ),
    Function(
        "ENDS_WITH", _ends_with, 2, 2, "boolean", doc="Whether it ends with a text.", example="ENDS_WITH('Rome', 'me')"
    ),
    Function(
        "STRPOS",
        _position,
        2,
        2,
        "number",
        doc="Where a text begins in it, counted from 1; 0 where it does not occur.",
        example="STRPOS('Rome', 'm') = 3",
    ),
    Function("REPEAT", _repeat, 2, 2, "text", doc="The text n times.", example="REPEAT('ab', 2) = 'abab'"),
    Function(
        "REVERSE",
        _reverse,
        result="text",
        doc="The characters from the last to the first.",
        example="REVERSE('abc') = 'cba'",
    ),
    Function(
        "REGEXP_EXTRACT",
        _regexp_extract,
        2,
        3,
        "text",
        constants=(1,),
        doc="The first match of a pattern, or a group of it; '' where there is none.",
        example="REGEXP_EXTRACT('v1.8.0', '[0-9]+') = '1'",
    ),
    Function(
        "REGEXP_REPLACE",
        _regexp_replace,
        3,
        3,
        "text",
        constants=(1,),
        doc=r"Every match of a pattern by a text, in which \1 is the first group.",
        example="REGEXP_REPLACE('a1b22', '[0-9]+', '#') = 'a#b#'",
    ),
    Function("||", _join, 2, 2, "text"),
)
