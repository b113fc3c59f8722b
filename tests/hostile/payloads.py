"""Calls inside pickles, each of which writes the marker when the pickle is loaded without care.

A payload is the opcodes that push one object; beside each stands the import that a refusal must name.
"""

from __future__ import annotations

import pickle
import shlex
from collections.abc import Callable
from pathlib import Path

from tests.hostile.opcodes import (
    BUILD,
    EMPTY_DICT,
    EMPTY_TUPLE,
    MARK,
    NONE,
    REDUCE,
    call,
    name,
    number,
    octets,
    pairs,
    several,
    stacked_name,
    storage,
    stream,
    text,
)

Payload = Callable[[Path], bytes]


def command(marker: Path) -> str:
    """A shell command that writes the marker."""
    return f"touch {shlex.quote(str(marker))}"


def code(marker: Path) -> str:
    """A Python expression that writes the marker."""
    return f"open({str(marker)!r}, 'w').write('ran')"


def os_system(marker: Path) -> bytes:
    """The textbook attack."""
    return call(name("os", "system"), text(command(marker)))


def _names_from_the_memo(marker: Path) -> bytes:
    stored = text("system") + b"q\x07" + b"0" + text("posix") + b"q\x09" + b"0"
    return stored + b"h\x09" + b"h\x07" + pickle.STACK_GLOBAL + several(text(command(marker))) + REDUCE


def _python_2_eval(marker: Path) -> bytes:
    return call(name("__builtin__", "eval"), text(code(marker)))


def _chain_of_getattr(marker: Path) -> bytes:
    module = call(name("importlib", "import_module"), text("os"))
    return call(call(name("builtins", "getattr"), module, text("system")), text(command(marker)))


def _globals_of_an_allowed_function(marker: Path) -> bytes:
    namespace = call(name("builtins", "getattr"), name("torch._utils", "_rebuild_tensor_v2"), text("__globals__"))
    modules = call(
        name("builtins", "getattr"),
        call(call(name("operator", "itemgetter"), text("sys")), namespace),
        text("modules"),
    )
    found = call(call(name("operator", "itemgetter"), text("os")), modules)
    return call(call(name("operator", "attrgetter"), text("system")), found) + several(text(command(marker))) + REDUCE


def _partial_with_state(marker: Path) -> bytes:
    partial = call(name("functools", "partial"), name("os", "getcwd"))
    state = several(name("os", "system"), several(text(command(marker))), EMPTY_DICT, NONE)
    return partial + state + BUILD + EMPTY_TUPLE + REDUCE


def _new_object_with_keywords(marker: Path) -> bytes:
    partial = name("functools", "partial") + several(name("os", "system")) + pairs({"command": text(command(marker))})
    return partial + pickle.NEWOBJ_EX + EMPTY_TUPLE + REDUCE


def _new_object(marker: Path) -> bytes:
    partial = name("functools", "partial") + several(name("os", "system"), text(command(marker)))
    return partial + pickle.NEWOBJ + EMPTY_TUPLE + REDUCE


def _inst(marker: Path) -> bytes:
    return MARK + text(command(marker)) + pickle.INST + b"os\nsystem\n"


def _obj(marker: Path) -> bytes:
    return MARK + name("os", "system") + text(command(marker)) + pickle.OBJ


def _extension_registry(marker: Path) -> bytes:
    added = call(name("copyreg", "add_extension"), text("os"), text("system"), pickle.BININT1 + b"\x42")
    return added + b"0" + pickle.EXT1 + b"\x42" + several(text(command(marker))) + REDUCE


def _protocol_0(marker: Path) -> bytes:
    return b"cos\nsystem\n(V" + command(marker).encode("raw_unicode_escape") + b"\ntR"


def _lazy_map(marker: Path) -> bytes:
    lazy = call(name("builtins", "map"), name("os", "system"), several(text(command(marker))))
    return call(name("collections", "deque"), lazy)


def _popen(marker: Path) -> bytes:
    started = call(name("subprocess", "Popen"), several(text("touch"), text(str(marker))))
    return call(call(name("builtins", "getattr"), started, text("wait")))


def _torch_load_in_torch_load(marker: Path) -> bytes:
    return call(name("torch.storage", "_load_from_bytes"), octets(stream(os_system(marker))))


def _pickle_in_pickle(marker: Path) -> bytes:
    return call(name("_pickle", "loads"), octets(stream(os_system(marker))))


def _run_a_file(marker: Path) -> bytes:
    script = marker.with_suffix(".py")
    script.write_text(code(marker))
    return call(name("runpy", "run_path"), text(str(script)))


def _dotted_name(marker: Path) -> bytes:
    later = pickle.PROTO + b"\x04"  # names with dots are followed from protocol 4 on
    return later + stacked_name("torch", "serialization.os.system") + several(text(command(marker))) + REDUCE


def _timeit(marker: Path) -> bytes:
    return call(name("timeit", "timeit"), text(code(marker)), text("pass"), name("time", "monotonic"), number(1))


def _collect_env(marker: Path) -> bytes:
    return call(name("torch.utils.collect_env", "run"), text(command(marker)))


def _with_namespaces(module: str, function: str, namespaces: int) -> Payload:
    """A function that takes code and then dictionaries of names."""
    return lambda marker: call(name(module, function), text(code(marker)), *([EMPTY_DICT] * namespaces))


def storage_with_a_call_in_it(marker: Path) -> bytes:
    """A persistent id that makes a call while it is read."""
    return storage(extra=os_system(marker))


PAYLOADS: dict[str, tuple[Payload, str]] = {
    "os-system": (os_system, "os.system"),
    "names-from-the-memo": (_names_from_the_memo, "posix.system"),
    "builtins-eval": (lambda marker: call(name("builtins", "eval"), text(code(marker))), "builtins.eval"),
    "builtins-exec": (lambda marker: call(name("builtins", "exec"), text(code(marker))), "builtins.exec"),
    "python-2-eval": (lambda marker: call(name("__builtin__", "eval"), text(code(marker))), "__builtin__.eval"),
    "chain-of-getattr": (_chain_of_getattr, "importlib.import_module"),
    "dotted-name": (_dotted_name, "torch.serialization.os.system"),
    "globals-of-an-allowed-function": (_globals_of_an_allowed_function, "builtins.getattr"),
    "numpy-testing-runstring": (_with_namespaces("numpy.testing._private.utils", "runstring", 1), "runstring"),
    "runpy": (_run_a_file, "runpy.run_path"),
    "timeit": (_timeit, "timeit.timeit"),
    "torch-collect-env": (_collect_env, "torch.utils.collect_env.run"),
    "torch-fx-exec": (_with_namespaces("torch.fx.graph_module", "_exec_with_source", 1), "_exec_with_source"),
    "torch-jit-exec": (_with_namespaces("torch.jit.unsupported_tensor_ops", "execWrapper", 2), "execWrapper"),
    "torch-load-in-torch-load": (_torch_load_in_torch_load, "torch.storage._load_from_bytes"),
    "pickle-in-pickle": (_pickle_in_pickle, "_pickle.loads"),
    "partial-with-state": (_partial_with_state, "functools.partial"),
    "new-object": (_new_object, "functools.partial"),
    "new-object-with-keywords": (_new_object_with_keywords, "functools.partial"),
    "inst": (_inst, "os.system"),
    "obj": (_obj, "os.system"),
    "extension-registry": (_extension_registry, "copyreg.add_extension"),
    "protocol-0": (_protocol_0, "os.system"),
    "lazy-map": (_lazy_map, "builtins.map"),
    "popen": (_popen, "subprocess.Popen"),
}
