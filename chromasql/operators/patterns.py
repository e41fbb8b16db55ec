r"""
REGEX, LIKE and ILIKE as regular expressions in the dialect that Chroma runs (Rust's ``regex`` crate).

Where a pattern is re-checked here it runs on RE2, the same family: linear time, no look-around, no
back-references. RE2 reads ``\d \w \s`` as ASCII where Rust reads them as Unicode, so they are spelled out for it.
A ``\b`` of a re-check still looks at ASCII words alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from chromasql.concurrency.byte_cache import ByteCache

__all__ = [
    "check_regex",
    "compile_like",
    "compile_regex",
    "compile_wildcard",
    "compiled_pattern",
    "equal_to_regex",
    "escape_regex",
    "like_to_regex",
    "pieces_to_regex",
    "regex_size",
    "split_escaped",
]

_META = re.compile(r"[\\.+*?()|\[\]{}^$]")


_CLASSES = {
    "d": r"\p{Nd}",
    "s": r"\t\n\v\f\r \x{85}\p{Z}",
    # The last ranges are the symbols that Unicode counts as letters: circled, squared and negative ones.
    "w": r"\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{200c}\x{200d}"
    r"\x{24b6}-\x{24e9}\x{1f130}-\x{1f149}\x{1f150}-\x{1f169}\x{1f170}-\x{1f189}",
}


_REPETITION = re.compile(r"\d+(,\d*)?\}")


_TOKEN = re.compile(r"\\(?:[pP]\{[^}]*\}|[\s\S])|\[:\^?\w+:\]|\[\^?\]?|\]|&&|--|~~|[\s\S]")


def escape_regex(text: str) -> str:
    """Return a pattern that matches the text itself."""
    return _META.sub(r"\\\g<0>", text).replace("\0", r"\x00")


def like_to_regex(pattern: str, *, ignore_case: bool = False) -> str:
    """Return the anchored pattern of a LIKE, whose only wildcard is ``%``."""
    return pieces_to_regex(re.split("%+", pattern), ignore_case=ignore_case)


def split_escaped(pattern: str, escape: str) -> list[str]:
    """
    Return the texts between the wildcards of a LIKE .. ESCAPE.

    The escape character makes the ``%``, the ``_`` or the escape character after it an ordinary one. Raises ValueError
    where anything else follows it.
    """
    pieces, piece = [], ""
    characters = iter(pattern)
    for character in characters:
        if character == escape:
            following = next(characters, "")
            if following not in ("%", "_", escape) or not following:
                what = f"stands before {following!r}" if following else "ends the pattern"
                raise ValueError(f"the escape character {escape!r} {what}; it escapes %, _ and itself")
            piece += following
        elif character == "%":
            pieces.append(piece)
            piece = ""
        else:
            piece += character
    return [*pieces, piece]


def pieces_to_regex(pieces: Sequence[str], *, ignore_case: bool) -> str:
    """Return the anchored pattern of texts with anything between them."""
    body = ".*".join(map(escape_regex, pieces))
    return rf"(?{'i' if ignore_case else ''}s)\A{body}\z"


def compile_like(pattern: str, *, ignore_case: bool = False) -> Callable[[str], bool]:
    """Compile a LIKE to a test of a whole text, in time that does not depend on how long the pattern is."""
    if not ignore_case:
        return compile_wildcard(pattern, "%")
    fits = compile_wildcard(pattern.translate(_FOLDING), "%")
    return lambda text: fits(text.translate(_FOLDING))


def compile_wildcard(pattern: str, wildcard: str) -> Callable[[str], bool]:
    """Compile a pattern, in which one character stands for any text, to a test of a whole text; it never backtracks."""
    first, *middle = pattern.split(wildcard)
    if not middle:
        return first.__eq__
    last = middle.pop()

    def fits(text: str) -> bool:
        if not text.startswith(first):
            return False
        index = len(first)
        for part in middle:
            found = text.find(part, index)
            if found < 0:
                return False
            index = found + len(part)
        return text.endswith(last, index)

    return fits


class _Folding(dict[int, str]):
    """Unicode's simple case folding, one character for one, as regular expressions ignore case."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        folded = next((item for item in (character.casefold(), character.lower()) if len(item) == 1), character)
        self[code] = folded
        return folded


# What Unicode 15.1 added and Python may not know yet.
_FOLDING = _Folding({0x1FD3: "\u0390", 0x1FE3: "\u03b0", 0xFB05: "\ufb06"})


def equal_to_regex(text: str) -> str:
    """Return the pattern that only the whole text matches."""
    return rf"(?s)\A{escape_regex(text)}\z"


def check_regex(pattern: str) -> str | None:
    """Say why a pattern is outside the dialect, or return None where it is inside."""
    if pattern == "":
        return "it is empty; write IS NOT NULL for any text"
    differing = _differing(pattern)
    if differing is not None:
        return differing
    for mark, name in (
        ("(?=", "look-ahead"),
        ("(?!", "look-ahead"),
        ("(?<=", "look-behind"),
        ("(?<!", "look-behind"),
    ):
        if mark in re.sub(r"\\.|\[[^\]]*\]", "", pattern):
            return f"{mark} is a {name}, which Chroma's linear-time engine does not have"
    try:
        compile_regex(pattern)
    except ValueError as error:
        return str(error)
    return None


def _differing(pattern: str) -> str | None:
    """Say what Chroma's engine (Rust's regex) reads otherwise than RE2, which re-checks here, or refuses."""
    in_class, before = False, ""
    for token in _TOKEN.finditer(pattern):
        piece, rest = token[0], pattern[token.end() :]
        if piece in (r"\Q", r"\E", r"\C"):
            return f"{piece} is not in Chroma's dialect; escape the characters one by one"
        if re.fullmatch(r"\\[1-9]", piece):
            return f"{piece} is a back-reference, which Chroma's linear-time engine does not have"
        if piece == r"\0":
            return r"octal escapes are not in Chroma's dialect; write \x00"
        if piece.startswith((r"\p{^", r"\P{^")):
            return f"{piece} is not in Chroma's dialect; write \\{'P' if piece[1] == 'p' else 'p'}{{{piece[4:]}"
        if piece in (r"\<", r"\>"):
            return rf"{piece} is a word boundary to Chroma alone; write \b, or {piece[1]} for the character"
        if not in_class and piece == r"\b" and rest.startswith("{"):
            return r"\b{..} is a word boundary to Chroma alone; write \b, or \b\{ for a brace"
        if not in_class and piece == "{" and before != r"\x" and not _REPETITION.match(rest):
            return r"a brace that is not a repetition such as {2} or {2,5} is not in Chroma's dialect; write \{"
        if piece == "]":
            in_class = False
        elif piece.startswith("[") and not piece.startswith("[:"):
            in_class = True
        before = piece
    return None


def compile_regex(pattern: str) -> Callable[[str], bool]:
    """
    Compile a pattern to an unanchored search that takes linear time.

    Raises ValueError with the reason for a pattern that RE2 refuses.
    """
    search = _compiled(pattern).search
    return lambda text: search(text) is not None


def compiled_pattern(pattern: str) -> Any:
    """Return the compiled pattern itself, as RE2 has it; raises ValueError as `compile_regex` does."""
    return _compiled(pattern)


def regex_size(pattern: str) -> int:
    """Return the number of instructions of a compiled pattern, which is what compiling it costs (about 1 us each)."""
    return int(_compiled(pattern).programsize)


# The bytes of an instruction of a compiled pattern, measured, and of the object around them.
_BYTES_PER_INSTRUCTION = 16
_LEAST_BYTES = 4000


_kept: ByteCache[str, Any] = ByteCache(64_000_000)


def _compiled(pattern: str) -> Any:
    kept = _kept.get(pattern)
    if kept is not None:
        return kept
    compiled = _compile(pattern)
    return _kept.keep(pattern, compiled, _LEAST_BYTES + _BYTES_PER_INSTRUCTION * int(compiled.programsize))


def _compile(pattern: str) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(_for_re2(pattern), options)
    except re2.error as error:
        raise ValueError(_reason(error)) from None


def _reason(error: Exception) -> str:
    detail = error.args[0] if error.args else "it is malformed"
    return detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)


def _for_re2(pattern: str) -> str:
    """Spell out Rust's Unicode classes for RE2."""
    out: list[str] = []
    in_class = False
    for piece in _TOKEN.findall(pattern):
        if piece[0] == "\\" and piece[1:].lower() in _CLASSES:
            inner, negated = _CLASSES[piece[1].lower()], piece[1].isupper()
            if in_class and negated:
                raise ValueError(f"{piece} inside [..] cannot be re-checked here; write the class without it")
            out.append(inner if in_class else f"[{'^' if negated else ''}{inner}]")
            continue
        if in_class and piece in ("&&", "--", "~~", "[", "[^"):
            raise ValueError(f"{piece} inside [..] means a set operation to Chroma; escape it with a backslash")
        if piece == "]":
            in_class = False
        elif piece.startswith("[") and not piece.startswith("[:"):
            in_class = True
        out.append(piece)
    return "".join(out)
