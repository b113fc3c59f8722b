"""What the pickle of a state dict may import, and what is known to do harm.

The first list is shorter than that of `torch.load(weights_only=True)`, which holds callables that allocate what the
file asks for (`bytearray`, tensors without storage) and kinds of tensors that no state dict of a dense network needs.
"""

from __future__ import annotations

from auditbench.models.opening.pickle_values import Import
from auditbench.models.opening.pickles import Walk

# Bytes of one element.
STORAGES = {
    "BoolStorage": 1,
    "ByteStorage": 1,
    "CharStorage": 1,
    "ShortStorage": 2,
    "HalfStorage": 2,
    "BFloat16Storage": 2,
    "IntStorage": 4,
    "FloatStorage": 4,
    "LongStorage": 8,
    "DoubleStorage": 8,
    "ComplexFloatStorage": 8,
    "ComplexDoubleStorage": 16,
}
DTYPES = {
    **dict.fromkeys(("bool", "uint8", "int8"), 1),
    **dict.fromkeys(("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"), 1),
    **dict.fromkeys(("int16", "uint16", "float16", "bfloat16"), 2),
    **dict.fromkeys(("int32", "uint32", "float32", "complex32"), 4),
    **dict.fromkeys(("int64", "uint64", "float64", "complex64"), 8),
    "complex128": 16,
}
UNTYPED = Import("torch.storage", "UntypedStorage")
ORDERED_DICT = Import("collections", "OrderedDict")
SIZE = Import("torch", "Size")
DEVICE = Import("torch", "device")
REBUILD = Import("torch._utils", "_rebuild_tensor_v2")
REBUILD_TYPED = Import("torch._utils", "_rebuild_tensor_v3")
PARAMETER = Import("torch._utils", "_rebuild_parameter")

# The instructions that torch.save writes and torch.load reads with weights_only=True: what both understand alike.
_WRITTEN = frozenset(
    {
        *("PROTO", "STOP", "GLOBAL", "REDUCE", "BUILD", "BINPERSID"),
        *("BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"),
        *("MARK", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
        *("EMPTY_DICT", "SETITEM", "SETITEMS", "EMPTY_LIST", "APPEND", "APPENDS"),
        *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE"),
    }
)
_CALLABLE = frozenset({ORDERED_DICT, SIZE, DEVICE, REBUILD, REBUILD_TYPED, PARAMETER})
_NAMED = frozenset({UNTYPED, *(Import("torch", name) for name in (*STORAGES, *DTYPES))})
# Modules and names that begin processes, run text, read and write files, or fetch other objects by name.
_DANGEROUS_MODULES = frozenset(
    {
        *("os", "posix", "nt", "subprocess", "_posixsubprocess", "multiprocessing", "pty", "commands", "signal", "sys"),
        *("builtins", "__builtin__", "code", "codeop", "runpy", "timeit", "trace", "profile", "cProfile", "bdb", "pdb"),
        *("doctest", "test", "lib2to3", "idlelib", "turtledemo", "_pyrepl", "_aix_support", "_osx_support", "platform"),
        *("operator", "types", "inspect", "gc", "importlib", "pkgutil", "zipimport", "site", "pydoc"),
        *("ctypes", "marshal", "pickle", "dill", "cloudpickle", "shelve", "sqlite3", "linecache", "shutil", "tempfile"),
        *("socket", "ssl", "asyncio", "aiohttp", "requests", "urllib", "urllib2", "httplib", "smtplib", "imaplib"),
        *("threading", "webbrowser", "uuid", "pip", "ensurepip", "venv"),
    }
)
_HARMLESS_BUILTINS = frozenset(
    {
        *("bool", "int", "float", "complex", "str", "bytes", "bytearray", "object"),
        *("list", "tuple", "dict", "set", "frozenset", "range", "slice"),
    }
)
_DANGEROUS_NAMES = frozenset(
    {
        Import("joblib", "load"),
        Import("numpy", "load"),
        Import("numpy.testing._private.utils", "runstring"),
        Import("pandas", "read_pickle"),
        Import("torch", "load"),
        Import("torch.hub", "load"),
        Import("torch.jit", "load"),
        Import("torch.serialization", "load"),
    }
)


def is_allowed(found: Import, *, called: bool) -> bool:
    """Whether a state dict may import a name, and call it."""
    return found in _CALLABLE or (found in _NAMED and not called)


def is_dangerous(found: Import) -> bool:
    """Whether a name is known to do harm; of most harmful names nothing is known."""
    top = found.module.partition(".")[0]
    if top in ("builtins", "__builtin__"):
        return found.name not in _HARMLESS_BUILTINS
    return top in _DANGEROUS_MODULES or found in _DANGEROUS_NAMES or found.module == "torch.hub"


def outside(walk: Walk) -> list[Import]:
    """The imports of a pickle that a state dict may not have, in order."""
    return [found for found, called in walk.imports.items() if not is_allowed(found, called=called)]


def unwritten(walk: Walk) -> list[str]:
    """The instructions of a pickle that torch.save does not write, in order of their names."""
    return sorted(walk.opcodes - _WRITTEN)


def is_plain(walk: Walk) -> bool:
    """Whether a pickle ends as it should and does nothing that a state dict may not do."""
    return not (walk.fault or walk.opaque or walk.odd_key or unwritten(walk) or outside(walk))
