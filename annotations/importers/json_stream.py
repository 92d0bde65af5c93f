"""JSON files that do not fit in memory: the items of their top level, one after the other.

A detector's output for half an hour of video is a list of a million objects. Here a file is read
in pieces: of a top-level list each item is handed out as it is reached, of a top-level object each
value, and the items one by one where a value is a list. What is in hand at any time is one item.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from annotations.importers.values import regular_file, shown
from engine.errors import InputError

FILE_LIMIT = 8 << 30
ITEM_LIMIT = 64 << 20
"""Characters of one item: a person in a frame has some thousand, a polygon rarely a million."""
_PIECE = 1 << 20
_SPACE = " \t\n\r"


class JsonItems:
    """Iterates over (key, item): key is "" in a top-level list. Read once.

    Raises InputError for what is no JSON, too deep, or too large.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = max(1, regular_file(path, FILE_LIMIT))
        self._decoder = json.JSONDecoder()
        self._text, self._at, self._read, self._ended = "", 0, 0, False
        self.keys: list[str] = []
        """Keys of the top-level object reached so far, those of empty lists too."""

    @property
    def bytes_read(self) -> int:
        return self._read

    @property
    def fraction(self) -> float:
        """0..1 of the file read."""
        return min(1.0, self._read / self._size)

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        try:
            with self._path.open("rb") as file:
                self._file: BinaryIO = file
                self._utf8 = codecs.getincrementaldecoder("utf-8-sig")()
                yield from self._top()
        except OSError as error:
            raise InputError(f"Cannot open {self._path.name}", received=str(error)) from error
        except UnicodeDecodeError as error:
            raise self._refusal("it is not UTF-8") from error
        except RecursionError as error:
            raise self._refusal("it is nested too deeply") from error

    def _top(self) -> Iterator[tuple[str, Any]]:
        opening = self._peek()
        if opening == "[":
            yield from (("", item) for item in self._items())
        elif opening == "{":
            yield from self._members()
        else:
            raise self._refusal("it begins with neither [ nor {")
        if self._peek():
            raise self._refusal("something follows its end")

    def _members(self) -> Iterator[tuple[str, Any]]:
        self._take("{")
        if self._peek() == "}":
            return self._take("}")
        while True:
            key = self._value()
            if not isinstance(key, str):
                raise self._refusal(f"{shown(key)} stands for a key")
            self.keys.append(key)
            self._take(":")
            if self._peek() == "[":
                for item in self._items():
                    yield key, item
            else:
                yield key, self._value()
            if self._peek() == "}":
                return self._take("}")
            self._take(",")

    def _items(self) -> Iterator[Any]:
        self._take("[")
        if self._peek() == "]":
            return self._take("]")
        while True:
            yield self._value()
            if self._peek() == "]":
                return self._take("]")
            self._take(",")

    def _value(self) -> Any:
        """The next value. It is tried again with twice the text while it reaches the end of it."""
        self._peek()
        wanted = _PIECE
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
                # A number at the very end of the text may go on.
                if end < len(self._text) or self._ended:
                    self._at = end
                    return value
            except json.JSONDecodeError as error:
                if self._ended or self._is_hopeless(error):
                    raise self._refusal(f"{error.msg} near character {self._seen(error)}") from None
            except ValueError as error:  # a number of thousands of digits
                raise self._refusal(str(error)) from error
            if len(self._text) - self._at > ITEM_LIMIT:
                raise self._refusal(f"one item has more than {ITEM_LIMIT >> 20} million characters")
            self._more(wanted)
            wanted *= 2

    def _is_hopeless(self, error: json.JSONDecodeError) -> bool:
        """Whether more text cannot help: the error is far before the end of what is there.

        A string that is cut is reported at its beginning, so those always get another chance.
        """
        return error.pos < len(self._text) - 64 and not error.msg.startswith("Unterminated")

    def _seen(self, error: json.JSONDecodeError) -> int:
        return max(0, self._read - len(self._text) + error.pos)

    def _peek(self) -> str:
        """The next character that is no space, "" at the end of the file."""
        while True:
            while self._at < len(self._text):
                character = self._text[self._at]
                if character not in _SPACE:
                    return character
                self._at += 1
            if self._ended:
                return ""
            self._more(_PIECE)

    def _take(self, character: str) -> None:
        found = self._peek()
        if found != character:
            what = shown(found) if found else "the end of the file"
            raise self._refusal(f"expected {character!r}, received {what}")
        self._at += 1

    def _more(self, count: int) -> None:
        data = self._file.read(count)
        self._read += len(data)
        self._ended = not data
        self._text = self._text[self._at :] + self._utf8.decode(data, final=self._ended)
        self._at = 0

    def _refusal(self, why: str) -> InputError:
        return InputError(f"{self._path.name} is not readable JSON: {why}")


def load(path: Path, limit: int = ITEM_LIMIT) -> Any:
    """A small JSON file, whole."""
    regular_file(path, limit)
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"Cannot open {path.name}", received=error.strerror or "") from error
    except RecursionError as error:
        raise InputError(f"{path.name} is not readable JSON: it is nested too deeply") from error
    except ValueError as error:
        raise InputError(f"{path.name} is not readable JSON", received=str(error)[:120]) from error
