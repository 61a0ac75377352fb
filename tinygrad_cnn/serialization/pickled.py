"""The part of pickle's language that files of weights are written in: nothing that is read here can run.

A pickle is a program for a machine with a stack.  This machine knows the instructions that build numbers,
strings, lists, tuples and dicts, a name may stand only for what its table says, and only a `Function` of
that table is called.  What was read is never printed before it is checked: a few bytes can name a text that
fills the memory.

The language: `pickletools` of the standard library.
"""

from __future__ import annotations

import pickletools
import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from ..errors import FileFormatError

__all__ = ["Function", "call", "dump", "execute", "is_key", "name", "tuple_of"]


class Function:
    """What a pickle may call: a function that checks what it is given."""

    def __init__(self, call: Callable[..., Any]):
        self.call = call


class Machine:
    """A stack, the stacks outside of open marks, and what was noted for later."""

    def __init__(self, names: Mapping[str, Any], persistent: Callable[[Any], Any], limit: int):
        self.stack: list[Any] = []
        self.outside: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.names, self.persistent, self.limit = names, persistent, limit

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self) -> None:
        self.outside.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.outside.pop()
        return items

    def last(self, n: int) -> list[Any]:
        return [self.stack.pop() for _ in range(n)][::-1]

    def extend(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise ValueError("only a list is appended to")
        self.stack[-1].extend(items)

    def update(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) not in (dict, OrderedDict):
            raise ValueError("only a dict has items")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not is_key(key):
                raise ValueError(f"a {type(key).__name__} is no key")
            target[key] = value

    def name(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str:
            raise ValueError("a name that is no string")
        if f"{module} {name}" not in self.names:
            raise Unknown(f"{module}.{name}"[:80])
        self.push(self.names[f"{module} {name}"])

    def reduce(self) -> None:
        function, args = self.last(2)
        if type(function) is not Function or type(args) is not tuple:
            raise ValueError("it calls what is no function")
        # What is copied is not copied again and again: what is made stays as small as the file.
        self.limit -= sum(len(arg) for arg in args if isinstance(arg, (str, list)))
        if self.limit < 0:
            raise ValueError("it copies more than it contains")
        self.push(function.call(*args))

    def build(self) -> None:
        self.stack.pop()  # attributes, such as `_metadata` of a state dict, are passed over
        if type(self.stack[-1]) is not OrderedDict:
            raise ValueError("only an OrderedDict has attributes")


class Unknown(Exception):
    """A name that is not in the table."""


def is_key(key: Any) -> bool:
    """Numbers, strings and the like, and tuples of them: what can be hashed without recursion."""
    parts = key if type(key) is tuple else (key,)
    return not any(isinstance(part, tuple) or type(part).__hash__ is None for part in parts)


# instruction -> what it does to the machine, given its argument
INSTRUCTIONS: dict[str, Callable[[Machine, Any], None]] = {
    **dict.fromkeys(("PROTO", "FRAME"), lambda m, arg: None),
    **dict.fromkeys(
        ("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"),
        lambda m, arg: m.push(arg),
    ),
    # strings of Python 2
    **dict.fromkeys(
        ("SHORT_BINSTRING", "BINSTRING"), lambda m, arg: m.push(arg.encode("latin-1").decode("utf-8"))
    ),
    "NONE": lambda m, arg: m.push(None),
    "NEWTRUE": lambda m, arg: m.push(True),
    "NEWFALSE": lambda m, arg: m.push(False),
    "EMPTY_LIST": lambda m, arg: m.push([]),
    "EMPTY_DICT": lambda m, arg: m.push({}),
    "EMPTY_TUPLE": lambda m, arg: m.push(()),
    "TUPLE1": lambda m, arg: m.push(tuple(m.last(1))),
    "TUPLE2": lambda m, arg: m.push(tuple(m.last(2))),
    "TUPLE3": lambda m, arg: m.push(tuple(m.last(3))),
    "MARK": lambda m, arg: m.mark(),
    "TUPLE": lambda m, arg: m.push(tuple(m.since_mark())),
    "APPEND": lambda m, arg: m.extend(m.last(1)),
    "APPENDS": lambda m, arg: m.extend(m.since_mark()),
    "SETITEM": lambda m, arg: m.update(m.last(2)),
    "SETITEMS": lambda m, arg: m.update(m.since_mark()),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), lambda m, arg: m.memo.__setitem__(arg, m.stack[-1])),
    "MEMOIZE": lambda m, arg: m.memo.__setitem__(len(m.memo), m.stack[-1]),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda m, arg: m.push(m.memo[arg])),
    "GLOBAL": lambda m, arg: m.name(*arg.split(" ", 1)),
    "STACK_GLOBAL": lambda m, arg: m.name(*m.last(2)),
    "BINPERSID": lambda m, arg: m.push(m.persistent(m.stack.pop())),
    "REDUCE": lambda m, arg: m.reduce(),
    "BUILD": lambda m, arg: m.build(),
    "STOP": lambda m, arg: None,
}


def execute(
    file: BinaryIO, path: str, names: Mapping[str, Any], persistent: Callable[[Any], Any], limit: int
) -> Any:
    """The value of the pickle that begins here in the file.

    Args:
        names: "module name" -> what stands for it.
        persistent: what is made of an id, such as that of the memory of a tensor.
        limit: how many characters and entries of lists may be handed to functions; the length of the pickle.
    """
    machine = Machine(names, persistent, limit)
    try:
        for instruction, arg, _ in pickletools.genops(file):
            if instruction.name not in INSTRUCTIONS:
                raise ValueError(f"the instruction {instruction.name} is not known here")
            INSTRUCTIONS[instruction.name](machine, arg)
        if machine.outside or len(machine.stack) != 1:
            raise ValueError("it ends too early or too late")
        return machine.stack[0]
    except FileFormatError:
        raise
    except Unknown as error:
        raise FileFormatError(
            f"{path}: it asks for {error}, and only tensors, numbers, strings, and dicts, lists and tuples "
            "of them are loaded; where it was made, save model.state_dict() instead of the model, "
            "and numbers instead of other objects"
        ) from None
    except Exception as error:  # genops and the machine stumble over damaged bytes in many ways
        raise FileFormatError(
            f"{path}: its pickle is damaged ({error or type(error).__name__}); restore it from a copy"
        ) from error


# ---------------------------------------------------------------- writing


def dump(value: Any) -> bytes:
    """The instructions that push a number, a string, a boolean or None."""
    if value is None:
        return b"N"
    if isinstance(value, bool):
        return b"\x88" if value else b"\x89"
    if isinstance(value, str):
        text = str(value).encode("utf-8", "surrogatepass")
        return b"X" + struct.pack("<I", len(text)) + text
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    value = int(value)
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    number = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    if len(number) < 256:
        return b"\x8a" + bytes([len(number)]) + number
    return b"\x8b" + struct.pack("<i", len(number)) + number


def tuple_of(*parts: bytes) -> bytes:
    """The instructions that push a tuple of what these push."""
    return b"(" + b"".join(parts) + b"t"


def call(function: str, *args: bytes) -> bytes:
    """The instructions that call a function, named "module name"."""
    return name(function) + tuple_of(*args) + b"R"


def name(path: str) -> bytes:
    """The instruction that pushes what is named "module name"."""
    return "c{}\n{}\n".format(*path.split(" ")).encode()
