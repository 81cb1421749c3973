"""Streams: generators of the user, and where open ones stand."""

import inspect
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

import numpy as np

from kolam.core import DataError, InvalidTypeError, digest_bytes
from kolam.data._chunks import Block, Chunk, Cursor
from kolam.data._forms import Form
from kolam.data._trees import Tree, leaves

_FIRST_BLOCK = 16  # elements: a slow generator should not wait long for the first
_LARGEST_BLOCK = 1024
_BLOCK_BYTES = 8 << 20


class OpenStreams:
    """What is open and where it stands, so that who reads on need not begin anew.

    Args:
        limit: How many are kept; the ones that waited longest are closed.
    """

    def __init__(self, limit: int = 4) -> None:
        self._limit = limit
        self._open: OrderedDict[int, Any] = OrderedDict()  # Any: whatever has close(), or has not
        self._lock = threading.Lock()

    def take(self, place: int) -> Any | None:
        """Give what stands at a place; it is not kept any more."""
        with self._lock:
            return self._open.pop(place, None)

    def put(self, place: int, stream: Any) -> None:
        """Keep something that stands at a place."""
        with self._lock:
            left = [self._open.pop(place, None)]
            self._open[place] = stream
            if len(self._open) > self._limit:
                left.append(self._open.popitem(last=False)[1])
        for stream in left:
            if hasattr(stream, "close"):
                stream.close()


class GeneratorSource:
    """Elements that a function of the user generates; a cursor is their number.

    Args:
        fn: Gives a new iterator at each call; or an iterable that can be begun anew. If it has an
            argument named `start`, it is asked for the elements from that number on; else those
            before are drawn and thrown away.
        spec: Tree of `TensorSpec` of every element; that of the first if left out.
        is_lenient: Whether elements that do not fit are left out, not raised.

    Raises:
        InvalidTypeError: `fn` is no function, or an iterator that would be used up.
    """

    num_rows: int | None = None

    def __init__(
        self,
        fn: Callable[..., Iterable[Tree]] | Iterable[Tree],
        spec: Tree = None,
        *,
        is_lenient: bool = False,
    ) -> None:
        if isinstance(fn, Iterator) or not (callable(fn) or isinstance(fn, Iterable)):
            raise InvalidTypeError(
                f"A generator source is made from a {type(fn).__name__}.",
                how="Give the function itself, not what it returned: every epoch calls it anew.",
            )
        self._fn: Callable[..., Iterable[Tree]] = fn if callable(fn) else lambda: fn
        self._takes_start = callable(fn) and "start" in inspect.signature(fn).parameters
        self._is_lenient = is_lenient
        self._given = spec
        self._open = OpenStreams()

    @property
    def spec(self) -> Tree:
        """Tree of `TensorSpec` of an element."""
        return self._form.spec

    def read(self, cursor: Cursor | None) -> Block:
        """Draw the next elements."""
        start = number = int(cursor or 0)
        stream = self._open.take(start) or self._from(start)
        elements: list[Tree] = []
        places: list[int] = []
        faults: list[str] = []
        num_bytes, wanted = 0, min(max(_FIRST_BLOCK, start), _LARGEST_BLOCK)
        while number - start < wanted and num_bytes < _BLOCK_BYTES:
            try:
                element = next(stream, stream)
            except Exception as error:
                error.add_note(f"The generator raised this for element {number}.")
                raise
            if element is stream:
                return Block(Chunk.of(elements, np.array(places, np.int64)), None, tuple(faults))
            try:
                elements.append(self._form.fitted(element, f"Element {number} of the generator"))
                places.append(number)
                num_bytes += sum(int(getattr(leaf, "nbytes", 8)) for leaf in leaves(elements[-1]))
            except DataError as error:
                if not self._is_lenient:
                    raise
                faults.append(error.what)
            number += 1
        self._open.put(number, stream)
        return Block(Chunk.of(elements, np.array(places, np.int64)), number, tuple(faults))

    def digest(self) -> str:
        """Give a hash of the code of the function; what it reads is not known."""
        code = getattr(self._fn, "__code__", None)
        return digest_bytes(repr(code and (code.co_code, code.co_consts, code.co_names)).encode())

    @cached_property
    def _form(self) -> Form:
        if self._given is not None:
            return Form(self._given, is_given=True)
        for first in self._from(0):
            return Form.of(first)
        raise DataError(
            "The generator gives nothing, so what its elements are is not known.",
            how="Give spec=, or check the function.",
        )

    def _from(self, start: int) -> Iterator[Tree]:
        if self._takes_start:
            return iter(self._fn(start=start))
        stream = iter(self._fn())
        for _ in range(start):
            next(stream, None)
        return stream
