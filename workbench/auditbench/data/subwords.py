"""Tokenizers as data: texts as the token ids of a `tokenizer.json`, and back.

Ids here are those of the product: the tokenizer's own plus `FIRST_ID`, since 0 is padding and 1 unknown.
"""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Literal

from auditbench.data.inputs import PADDING, TextInput
from auditbench.data.tokenizer_files import MOST_TOKENS, refused_tokenizer
from auditbench.digests import digest_of
from auditbench.errors import DataError, MissingDependencyError

FIRST_ID = 2
"""Id in the product of the token that the tokenizer itself calls 0."""
_SHOWN = "the tokenizer"
_SAMPLES = ("a", "A", "1", "一", ".")
_MASK_NAMES = ("[MASK]", "<mask>", "<|mask|>")
_PADDING_NAMES = ("[PAD]", "<pad>", "<|pad|>", "<|endoftext|>", "</s>")
_AT_ONCE = 1000


@functools.lru_cache(maxsize=8)
def subwords_of(tokenizer: str) -> Subwords:
    """The tokenizer in the text of a checked tokenizer.json.

    Raises:
        DataError: The library cannot open it.
        MissingDependencyError: The package `tokenizers` is not installed.
    """
    return Subwords(tokenizer)


def subword_input(
    tokenizer: str, *, length: int, kept: Literal["first", "last"] = "first", size: int | None = None
) -> TextInput:
    """Texts as a tokenizer cuts them.

    Args:
        tokenizer: The text of a checked tokenizer.json.
        length: Most tokens, with the special ones around a text.
        size: Ids that the network has, where it has more than the tokenizer.

    Raises:
        DataError: The library cannot open the tokenizer, or there is no room for a token between the special ones.
    """
    subwords = subwords_of(tokenizer)
    if length <= subwords.around:
        raise DataError(
            "the texts are shorter than what the tokenizer puts around them",
            where="length",
            found=f"{length} tokens",
            allowed=f"more than {subwords.around}",
            fix="raise `length`",
        )
    return TextInput(unit="subwords", vocabulary=subwords.names(size), length=length, kept=kept, tokenizer=tokenizer)


class Subwords:
    """A tokenizer that neither cuts nor pads unless it is told to.

    Attributes:
        size: Ids that it has, from 0 on.
        leading: What it puts in front of every text, as ids of the product; `trailing` what it puts behind.
        padding: Its own id for padding; None where it names none.
        unknown: Its own id for what it does not know; None where there is none. `mask` is that of its mask token.
    """

    def __init__(self, text: str) -> None:
        if find_spec("tokenizers") is None:
            raise MissingDependencyError("tokenizers", extra="text", where="the tokenizer of a text input")
        from tokenizers import Tokenizer

        with _refusing():
            self._tokenizer = Tokenizer.from_str(text)
            self.padding = _padding(self._tokenizer)
            self._tokenizer.no_padding()
            self._tokenizer.no_truncation()
            tokens = self._tokenizer.get_vocab(with_added_tokens=True)
            self.unknown = _unknown(self._tokenizer)
            self.mask = next((tokens[name] for name in _MASK_NAMES if name in tokens), None)
        self.size = max(tokens.values(), default=-1) + 1
        if not tokens or self.size > MOST_TOKENS:
            raise refused_tokenizer(
                "has no vocabulary that can be used", f"ids up to {self.size - 1:,}", "tokenizer", _SHOWN
            )
        self._tokens = {own: token for token, own in tokens.items()}
        self.leading, self.trailing = self._around()

    @property
    def around(self) -> int:
        """Tokens that stand around every text."""
        return len(self.leading) + len(self.trailing)

    def encode(
        self, texts: Iterable[str], *, length: int | None = None, kept: str = "first", special: bool = True
    ) -> list[list[int]]:
        """Ids of each text.

        Args:
            length: Most ids of a text, the special ones among them; these stay where a text is cut.
            kept: Which end of a longer text stays.
            special: Put the special tokens around each text.

        Raises:
            DataError: The tokenizer fails, or gives ids that it does not have.
        """
        with _refusing():
            if length is None:
                self._tokenizer.no_truncation()
            else:
                self._tokenizer.enable_truncation(length, direction="right" if kept == "first" else "left")
            rows = [
                found.ids
                for part in _parts(texts)
                for found in self._tokenizer.encode_batch_fast(part, add_special_tokens=special)
            ]
        highest = max((max(ids) for ids in rows if ids), default=-1)
        if highest >= self.size:
            raise refused_tokenizer(
                "gives ids that it has no token for", f"{highest:,} of {self.size:,}", "tokenizer", _SHOWN
            )
        return [[own + FIRST_ID for own in ids] for ids in rows]

    def spans(self, texts: Iterable[str], *, length: int, kept: str) -> list[list[tuple[int, int]]]:
        """Where each id that `encode` gives stands in its text; `(0, 0)` for special tokens."""
        with _refusing():
            self._tokenizer.enable_truncation(length, direction="right" if kept == "first" else "left")
            return [
                [_placed(span, own) for span, own in zip(found.offsets, found.special_tokens_mask, strict=True)]
                for part in _parts(texts)
                for found in self._tokenizer.encode_batch(part)
            ]

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """The tokens as the tokenizer writes them, such as `##ing`."""
        return [self._tokens.get(int(each) - FIRST_ID, "") for each in ids]

    def decode(self, rows: Iterable[Sequence[int]]) -> list[str]:
        """The text of each row of ids, without the special tokens around it; a row may begin within a word."""
        own = [[int(each) - FIRST_ID for each in _without(row, self.leading, self.trailing)] for row in rows]
        known = [[each for each in row if 0 <= each < self.size] for row in own]
        return [text.removeprefix(" ") for text in self._behind_a_word(known)]

    def names(self, size: int | None = None) -> tuple[str, ...]:
        """How each id reads behind a word, such as ` the` or `ing`; each name once, so some are written as the tokenizer does.

        Args:
            size: Ids of the network; those that have no token get a name of their own.
        """
        size = self.size if size is None else size
        own = range(min(size, self.size))
        read = dict(zip(own, self._behind_a_word([[each] for each in own]), strict=True))
        count = Counter(read.values())
        names: list[str] = []
        taken = {text for text, times in count.items() if times == 1}
        for each in range(size):
            text, token = read.get(each, ""), self._tokens.get(each, "")
            if text and count[text] == 1 and "\ufffd" not in text:
                names.append(text)
                continue
            name = token if token and token not in taken else f"[token {each}]"
            while name in taken:
                name += "'"
            taken.add(name)
            names.append(name)
        return tuple(names)

    def _behind_a_word(self, rows: Sequence[list[int]]) -> list[str]:
        """The text of each row of own ids as it reads behind a word, so that a blank in front of it is seen."""
        with _refusing():
            front = [self._letter] if self._letter is not None else []
            word = self._tokenizer.decode(front, skip_special_tokens=False)
            texts = self._tokenizer.decode_batch([front + row for row in rows], skip_special_tokens=False)
        return [text.removeprefix(word) for text in texts]

    @functools.cached_property
    def _letter(self) -> int | None:
        """An ordinary token that reads as a word."""
        for sample in _SAMPLES:
            ids = self._tokenizer.encode(sample, add_special_tokens=False).ids
            if len(ids) == 1 and ids[0] != self.unknown:
                return int(ids[0])
        return None

    def _around(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The special tokens in front of a text, and those behind it."""
        for sample in _SAMPLES:
            (plain,), (ids,) = self.encode([sample], special=False), self.encode([sample])
            places = range(len(ids) - len(plain) + 1)
            before = next((at for at in places if plain and ids[at : at + len(plain)] == plain), None)
            if before is not None:
                return tuple(ids[:before]), tuple(ids[before + len(plain) :])
        return (), ()


def tokens_digest(item: TextInput) -> str:
    """A digest of what cuts texts: of the tokenizer, else of the vocabulary."""
    return digest_of([item.tokenizer or list(item.vocabulary)])[:16]


def kept_ids(texts: Iterable[str], item: TextInput) -> list[list[int]]:
    """The ids of each text that the model sees, with the special tokens around it; none of them is `PADDING`."""
    return subwords_of(item.tokenizer).encode(texts, length=item.length, kept=item.kept)


def decoded(rows: Iterable[Sequence[int]], item: TextInput) -> list[str]:
    """Rows of ids as texts; padding is left out."""
    return subwords_of(item.tokenizer).decode([[each for each in row if each != PADDING] for row in rows])


@contextmanager
def _refusing() -> Iterator[None]:
    """A fault of the tokenizer as an error of the data; the library panics where a table or a pattern is damaged.

    Raises:
        DataError: In place of what the library raises.
    """
    try:
        yield
    except DataError:
        raise
    except BaseException as error:
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            found = next(iter(str(error).splitlines()), type(error).__name__)[:160]
            raise refused_tokenizer("cannot be used", found, "tokenizer", _SHOWN) from error
        raise


def _placed(span: tuple[int, int], special: int) -> tuple[int, int]:
    return (0, 0) if special else (int(span[0]), int(span[1]))


def _padding(tokenizer: Any) -> int | None:
    if isinstance(tokenizer.padding, dict):
        return int(tokenizer.padding["pad_id"])
    found = (tokenizer.token_to_id(name) for name in _PADDING_NAMES)
    return next((own for own in found if own is not None), None)


def _unknown(tokenizer: Any) -> int | None:
    name = getattr(tokenizer.model, "unk_token", None)
    own = tokenizer.token_to_id(name) if isinstance(name, str) else getattr(tokenizer.model, "unk_id", None)
    return own if isinstance(own, int) else None


def _parts(texts: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(texts)
    while part := [str(text) for text in itertools.islice(rest, _AT_ONCE)]:
        yield part


def _without(row: Sequence[int], leading: tuple[int, ...], trailing: tuple[int, ...]) -> Sequence[int]:
    """The row without what stands in front of every text and behind it."""
    row = row[len(leading) :] if tuple(row[: len(leading)]) == leading else row
    end = len(row) - len(trailing)
    return row[:end] if end >= 0 and tuple(row[end:]) == trailing else row
