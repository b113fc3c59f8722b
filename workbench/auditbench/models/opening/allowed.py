"""What the pickle of a state dict may import, and what is known to do harm.

Nothing of the first list is called either: tensors are read from the bytes of the file, as its pickle says. It is shorter
than that of `torch.load(weights_only=True)`, which holds callables that allocate what the file asks for (`bytearray`,
tensors without storage) and kinds of tensors that no state dict of a dense network needs.
"""

from __future__ import annotations

from auditbench.models.opening.pickle_values import Import, Made
from auditbench.models.opening.pickles import Walk

# What the numbers of a storage are, as torch calls them.
STORAGES = {
    "BoolStorage": "bool",
    "ByteStorage": "uint8",
    "CharStorage": "int8",
    "ShortStorage": "int16",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "IntStorage": "int32",
    "FloatStorage": "float32",
    "LongStorage": "int64",
    "DoubleStorage": "float64",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
}
# Bytes of one element.
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

# The instructions that torch.save writes.
_WRITTEN = frozenset(
    {
        *("PROTO", "STOP", "GLOBAL", "REDUCE", "NEWOBJ", "BUILD", "BINPERSID"),
        *("BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"),
        *("MARK", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
        *("EMPTY_DICT", "SETITEM", "SETITEMS", "EMPTY_LIST", "APPEND", "APPENDS"),
        *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE"),
    }
)
QUANTIZED = frozenset(
    {
        Import("torch._utils", "_rebuild_qtensor"),
        *(Import("torch", f"per_{what}_affine") for what in ("tensor", "channel")),
        *(Import("torch", f"{kind}Storage") for kind in ("QInt8", "QUInt8", "QInt32", "QUInt4x2", "QUInt2x4")),
        *(Import("torch", name) for name in ("qint8", "quint8", "qint32", "quint4x2", "quint2x4", "float4_e2m1fn_x2")),
    }
)
"""What tensors of numbers that stand for others, or share a byte, need beside that; they are not read."""
_CALLABLE = frozenset({ORDERED_DICT, SIZE, DEVICE, REBUILD, REBUILD_TYPED, PARAMETER})
_NAMED = frozenset({UNTYPED, *(Import("torch", name) for name in (*STORAGES, *DTYPES))})
_PLAIN_BUILTINS = (
    *("bool", "int", "long", "float", "complex", "str", "unicode", "bytes"),
    *("list", "tuple", "dict", "set", "frozenset", "range", "xrange", "slice"),
)
# What trainers write beside the weights: settings, times, paths, numbers of numpy. A reader of tensors walks over it; it is
# never imported, and nothing is made of it.
_BESIDE = frozenset(
    {
        *(Import("collections", name) for name in ("defaultdict", "Counter", "deque")),
        *(Import("datetime", name) for name in ("datetime", "date", "time", "timedelta", "timezone")),
        *(Import(module, name) for module in ("__builtin__", "builtins") for name in _PLAIN_BUILTINS),
        *(
            Import(module, f"{pure}{system}Path")
            for module in ("pathlib", "pathlib._local")
            for pure in ("", "Pure")
            for system in ("Posix", "Windows")
        ),
        *(
            Import(module, name)
            for module in ("numpy.core.multiarray", "numpy._core.multiarray")
            for name in ("scalar", "_reconstruct")
        ),
        *(Import("numpy", name) for name in ("dtype", "ndarray")),
        Import("_codecs", "encode"),
        Import("argparse", "Namespace"),
        Import("types", "SimpleNamespace"),
        *(
            Import(module, "AttributeDict")
            for module in (
                *("lightning.fabric.utilities.data", "lightning_fabric.utilities.data"),
                *("lightning.pytorch.utilities.parsing", "pytorch_lightning.utilities.parsing"),
            )
        ),
        Import("omegaconf.dictconfig", "DictConfig"),
        Import("omegaconf.listconfig", "ListConfig"),
        *(Import("omegaconf.base", name) for name in ("ContainerMetadata", "Metadata")),
        *(
            Import("omegaconf.nodes", f"{kind}Node")
            for kind in ("Any", "Integer", "Float", "String", "Boolean", "Bytes", "Path")
        ),
        Import("typing", "Any"),
    }
)
_NAMED_BESIDE = ("torch.nn.", "torch.optim.")
"""Modules whose classes and functions may stand beside the weights by name, such as an activation; none may be called."""

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


def stands_beside(found: Import, *, called: bool) -> bool:
    """Whether a checkpoint may hold this beside its tensors, which a reader of these walks over."""
    return found in _BESIDE or (not called and found.module.startswith(_NAMED_BESIDE))


def is_dangerous(found: Import) -> bool:
    """Whether a name is known to do harm; of most harmful names nothing is known."""
    top = found.module.partition(".")[0]
    if top in ("builtins", "__builtin__"):
        return found.name not in _HARMLESS_BUILTINS
    return top in _DANGEROUS_MODULES or found in _DANGEROUS_NAMES or found.module == "torch.hub"


def outside(walk: Walk) -> list[Import]:
    """The imports of a pickle that neither tensors nor what stands beside them need, in order."""
    return [
        found
        for found, called in walk.imports.items()
        if not is_allowed(found, called=called) and not stands_beside(found, called=called)
    ]


def unwritten(walk: Walk) -> list[str]:
    """The instructions of a pickle that torch.save does not write, in order of their names."""
    return sorted(walk.opcodes - _WRITTEN)


def is_plain(walk: Walk) -> bool:
    """Whether a pickle ends as it should and holds nothing but tensors, and what may stand beside them in a dict."""
    if walk.fault or walk.opaque or walk.odd_key or unwritten(walk) or outside(walk):
        return False
    beside = any(not is_allowed(found, called=called) for found, called in walk.imports.items())
    return not beside or (isinstance(walk.value, Made) and walk.value.by in ("dict", ORDERED_DICT))
