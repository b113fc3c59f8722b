"""Serving one supervisor from a worker process.

It reads commands from the socket FD and answers each. Whatever the supervisor does not hear as an answer did not
happen. When the other end closes, the worker ends with everything it started.
"""

from __future__ import annotations

import base64
import functools
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from auditbench.config import AuditConfig
from auditbench.contracts import RenderOptions
from auditbench.deprecation import DeprecatedUse, hear_uses
from auditbench.descriptions import batch_use
from auditbench.errors import AuditbenchError, PluginError, WorkerError
from auditbench.models.endpoint.sent import Sent, sent_by_process
from auditbench.models.exporting import ExportKind
from auditbench.models.out_of_memory import is_out_of_memory
from auditbench.record import bind_arrays, plain, validate
from auditbench.registry import Registry
from auditbench.results import AnalysisResult
from auditbench.run_file import decode_run
from auditbench.store import is_report_name
from auditbench.wire import Channel, error_document
from auditbench.worker.checking import check_part, code_of_plugins, parameters_in, require_renderer
from auditbench.worker.describing import describe_plugin
from auditbench.worker.line import incoming, send_answer
from auditbench.worker.memory_limit import limited_memory
from auditbench.worker.plugin_log import logged
from auditbench.worker.raised import text_of, trace_of

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.worker.subject_opening import Subject

_EVENT_SECONDS = 0.1
_LOOKED_BEHIND = ("analyze", "render", "finished")
"""Commands after which the supervisor ends what is left running, and says so."""
_OF_COMMAND = ("kind", "command", "number", "memory", "credentials")
_WITHOUT_MODEL = ("render", "finished")
"""Commands that get a record and ask no model."""


Send: TypeAlias = Callable[[dict[str, Any]], None]
"""Sends an event to the supervisor."""
Command: TypeAlias = Callable[..., dict[str, Any]]
"""Answers with the parts of a message."""


def main(descriptor: int, further: Callable[[Send], Mapping[str, Command]] = lambda _: {}) -> None:
    """Serve commands until `stop`, or until the supervisor is gone.

    Args:
        further: Gives commands beside the worker's own, by name.
    """
    os.set_inheritable(descriptor, False)
    channel = Channel(socket.socket(fileno=descriptor))
    worker, own = Worker(channel.send, hear_uses(), further(channel.send)), os.getpid()
    commands = incoming(channel, worker.cancel)
    while True:
        message = commands.get()
        if message["command"] == "stop":
            return
        answer = worker.answer(message)
        if os.getpid() != own:
            _end_copy(message["command"])
        send_answer(channel, answer)


class Worker:
    """Answers commands; keeps the plugins, the model and the data it opened.

    Args:
        send: Sends an event to the supervisor; `uses`, of names that go away, grows while plugins are at work.
        further: Commands beside its own, by name.

    Attributes:
        cancelled: Whether the analyzer at work is to stop.
    """

    def __init__(
        self, send: Send, uses: Sequence[DeprecatedUse] = (), further: Mapping[str, Command] = MappingProxyType({})
    ) -> None:
        self.cancelled = False
        self._send, self._uses = send, uses
        self._registry = Registry()
        self._subject: Subject | None = None
        self._config: AuditConfig | None = None
        self._last_event = 0.0
        self._done_step = ("", "")
        self._credentials: set[str] = set()
        self._told = Sent()
        self._commands: dict[str, Command] = {
            **further,
            "describe": self._describe,
            "check": self._check,
            "try": self._try,
            "open": self._open,
            "rows": self._rows,
            "train": self._train,
            "export": self._export,
            "convert": self._convert,
            "analyze": self._analyze,
            "compare": self._compare,
            "require": self._require,
            "render": self._render,
            "finished": self._finished,
        }

    def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """Carry out one command; what it raises is the answer."""
        number = message["number"]
        content = {key: value for key, value in message.items() if key not in _OF_COMMAND}
        command, memory = message["command"], message.get("memory")
        self._see(message.get("credentials", {}), forget=command in _WITHOUT_MODEL)
        if command == "analyze":  # limits the analyzer alone, not what looks behind it
            content["memory"], memory = memory, None
        try:
            with limited_memory(memory, self._device_for(content)):
                return {"kind": "answer", "number": number, **self._commands[command](**content)}
        except BaseException as error:  # noqa: BLE001 - the supervisor must hear of everything, SystemExit too
            sys.stderr.write(trace_of(error))
            told = error if isinstance(error, AuditbenchError) else _unforeseen(error)
            told.details = told.details or trace_of(error)
            return {"kind": "error", "number": number, "error": error_document(told)}

    def cancel(self) -> None:
        """Let the analyzer at work stop. That is never taken back: the supervisor ends the worker then."""
        self.cancelled = True

    def progress(self, analyzer: str, step: str, done: int, total: int) -> None:
        """Tell the supervisor how far an analyzer is; at most ten times a second, and once when a step is done."""
        now = time.monotonic()
        last = done == total and self._done_step != (analyzer, step)
        if now - self._last_event >= _EVENT_SECONDS or last:
            self._last_event = now
            if last:
                self._done_step = (analyzer, step)
            self._send(
                {"kind": "event", "event": "progress", "name": analyzer, "step": step, "done": done, "total": total}
            )

    def rerun(self, analyzer: str, context: AuditContext) -> AnalysisResult:
        """Run another analyzer of this audit on a variant of the context; its arrays stay in memory."""
        from auditbench.worker.analysis import rerun

        return rerun(analyzer, context, self._registry, functools.partial(parameters_in, self._config))

    def _describe(self, plugins: list[str]) -> dict[str, Any]:
        return {"plugins": [plain(describe_plugin(self._registry, name)) for name in plugins]}

    def _check(self, config: str, analyzers: list[str], formats: list[str], foundation: str | None) -> dict[str, Any]:
        self._config = AuditConfig.model_validate_json(config)
        base = None if foundation is None else Path(foundation)
        part = check_part(
            self._config,
            self._registry,
            analyzers=analyzers,
            formats=formats,
            foundation=base,
            modality=self._config.data.modality,
        )
        return {"part": plain(part)}

    def _try(self, config: str, base: str, device: str, analyzers: list[str]) -> dict[str, Any]:
        from auditbench.worker.trying import try_subject

        read = AuditConfig.model_validate_json(config)
        tried = try_subject(read, Path(base), self._registry, device=device, analyzers=analyzers)
        return {"tried": plain(tried)}

    def _open(self, config: str, base: str, device: str, train: bool, analyzers: list[str]) -> dict[str, Any]:
        from auditbench.worker.determinism import make_deterministic
        from auditbench.worker.subject_checks import refuse_parameters
        from auditbench.worker.subject_opening import open_subject
        from auditbench.worker.trying import refuse_in_vain

        self._config = AuditConfig.model_validate_json(config)
        further = self._registry.load_named(self._config.audit.plugins)  # part of each analyzer's own key
        flags = make_deterministic()
        home = Path(base)
        subject = open_subject(
            self._config,
            home,
            self._registry,
            device=device,
            stage=self._stage,
            may_train=train,
            before_training=functools.partial(
                refuse_in_vain, self._config, home, self._registry, device=device, analyzers=analyzers
            ),
        )
        refuse_parameters(self._config, self._registry, analyzers, model=subject.model, data=subject.data)
        self._subject = subject
        code = code_of_plugins(
            self._registry, [item for item in self._registry.loaded if not item.first_party and item not in further]
        )
        environment = {"threads": flags.threads, "flags": dict(flags.flags), "code": code}
        return {"subject": subject.document(), "environment": environment, "sent": self._sent()}

    def _rows(self, folder: str) -> dict[str, Any]:
        """Write what the evaluated rows are found by in another run, and what the cases show of their inputs."""
        from auditbench.worker.array_store import write_array
        from auditbench.worker.cases import with_stored_inputs
        from auditbench.worker.row_arrays import row_arrays

        home = Path(folder)
        file = self._config.data.test if self._config is not None else None
        arrays = row_arrays(self._opened().data, file=file or "")
        cases = with_stored_inputs(self._opened().chosen.cases, functools.partial(write_array, home))
        stored = {name: plain(write_array(home, name, array)) for name, array in arrays.items()}
        return {"arrays": stored, "cases": plain(cases)}

    def _train(self, config: str, base: str, device: str) -> dict[str, Any]:
        from auditbench.worker.determinism import make_deterministic
        from auditbench.worker.subject_opening import train_subject

        self._config = AuditConfig.model_validate_json(config)
        make_deterministic()
        outcome = train_subject(self._config, Path(base), self._registry, device=device, stage=self._stage)
        return {"outcome": plain(outcome)}

    def _export(
        self, config: str | None, base: str, bundle: str, folders: list[tuple[ExportKind, str]], tolerance: float
    ) -> dict[str, Any]:
        from auditbench.worker.determinism import make_deterministic
        from auditbench.worker.exporting import export_bundle

        self._config = None if config is None else AuditConfig.model_validate_json(config)
        make_deterministic()
        exports = export_bundle(
            self._config,
            Path(bundle),
            [(kind, Path(folder)) for kind, folder in folders],
            base=Path(base),
            tolerance=tolerance,
            registry=self._registry,
        )
        return {"exports": plain(exports)}

    def _convert(self, config: str, base: str, folder: str, tolerance: float, replace: bool) -> dict[str, Any]:
        from auditbench.worker.converting import convert_model
        from auditbench.worker.determinism import make_deterministic

        self._config = AuditConfig.model_validate_json(config)
        make_deterministic()
        made = convert_model(
            self._config,
            Path(folder),
            base=Path(base),
            tolerance=tolerance,
            replace=replace,
            registry=self._registry,
        )
        return {"conversion": plain(made)}

    def _analyze(
        self,
        analyzer: str,
        folder: str,
        required: bool,
        results: dict[str, Any],
        chunks: list[dict[str, Any]],
        memory: int | None,
    ) -> dict[str, Any]:
        from auditbench.engines.local import LocalEngine
        from auditbench.worker.analysis import run_analyzer
        from auditbench.worker.array_store import FileChunks, write_array

        home = Path(folder)
        provided = self._registry.analyzer(analyzer)
        params, parameters = parameters_in(self._config, provided)
        store = FileChunks(home, chunks, lambda record: self._send({"kind": "event", "event": "chunk", **record}))
        earlier = {
            name: bind_arrays(validate(AnalysisResult, document, where=f"results.{name}"), home)
            for name, document in results.items()
        }
        subject = self._opened()
        context = subject.context(analyzer, params, results=earlier, engine=LocalEngine(store), host=self)
        with logged(analyzer, provided.origin.package) as log:
            outcome = run_analyzer(
                provided,
                context,
                self._registry,
                required=required,
                parameters=parameters,
                store=lambda name, array: write_array(home, name, array),
                subject_changes=subject.changes,
                memory=memory,
            )
        if outcome.subject_changes:
            self._subject = None
        return {
            "result": plain(outcome.result),
            "details": outcome.details,
            "warnings": plain(list(outcome.warnings())),
            "logged": log.warnings,
            "restart": outcome.restart,
            "guard_seconds": outcome.guard_seconds,
            "batch": plain(batch_use(context.model.batch)),
            "sent": self._sent(),
        }

    def _sent(self) -> dict[str, int]:
        """What went out to servers of models since the supervisor was told last."""
        told, self._told = self._told, sent_by_process()
        return {name: count - getattr(told, name) for name, count in plain(self._told).items() if self._told.requests}

    def _compare(self, folder: str, record: str, baseline: str) -> dict[str, Any]:
        from auditbench.comparison import compare
        from auditbench.finished_run import read_finished

        run = decode_run(record.encode(), folder=Path(folder))
        return {"comparison": plain(compare(read_finished(Path(baseline)), run))}

    def _require(self, renderer: str, where: str) -> dict[str, Any]:
        require_renderer(self._registry, renderer, where=where)
        return {}

    def _render(self, renderer: str, folder: str, language: str, record: str) -> dict[str, Any]:
        home = Path(folder)
        provided = require_renderer(self._registry, renderer, where="report.formats")
        run = decode_run(record.encode(), folder=home)
        files: Mapping[Any, Any] = provided.record.render(run, RenderOptions(folder=home, language=language))
        for name, content in files.items():
            if not isinstance(name, str) or not is_report_name(name) or not isinstance(content, bytes):
                raise PluginError(
                    "a renderer gave something else than bytes by file name",
                    found=repr(name)[:80],
                    fix='return plain file names with bytes: {"report.txt": text.encode()}',
                )
        return {"files": {name: base64.b64encode(files[name]).decode() for name in sorted(files)}}

    def _finished(self, folder: str, record: str, plugins: list[str], told: list[str]) -> dict[str, Any]:
        """Tell the observers of this worker's plugins, but for those that other workers `told`; say what uses it heard of."""
        from auditbench.worker.analysis import observer_raised

        self._registry.load_named(plugins)
        run = decode_run(record.encode(), folder=Path(folder))
        warnings = [observer_raised(*raised) for raised in self._registry.audit_finished(run, but=told)]
        warnings += self._registry.deprecations(self._uses)
        return {"warnings": plain(warnings), "told": [entry.name for entry in self._registry.loaded]}

    def _opened(self) -> Subject:
        """The subject, which has to be opened again when an analyzer left it other than it found it."""
        if self._subject is None:
            raise AuditbenchError("the worker was asked to analyze before it opened the model")
        return self._subject

    def _see(self, credentials: Mapping[str, str], *, forget: bool) -> None:
        """Put the credentials of the models that a command opens into the environment, or take out those that are there."""
        new = {name: value for name, value in credentials.items() if name not in os.environ}
        os.environ.update(new)
        self._credentials |= set(new)
        if forget:
            for name in self._credentials:
                os.environ.pop(name, None)

    def _device_for(self, content: Mapping[str, Any]) -> str:
        """The device that a command works on: the one it names, that of the opened subject, or the processor."""
        wanted = content.get("device")
        if wanted is not None:
            from auditbench.worker.subject_opening import resolve_device

            return resolve_device(wanted)
        return "cpu" if self._subject is None else self._subject.model.device

    def _stage(self, state: str, name: str, **content: Any) -> None:
        """Tell the supervisor that a stage of opening starts, goes on or ends."""
        self._send({"kind": "event", "event": state, "name": name, **content})


def _end_copy(command: str) -> NoReturn:
    """End as a copy that a plugin forked and let return; first be found, where the supervisor looks for what was left."""
    while command in _LOOKED_BEHIND:
        signal.pause()
    os._exit(0)


def _unforeseen(error: BaseException) -> AuditbenchError:
    """What the supervisor is told of an error that is not ours; of one about memory, with the way on."""
    text = f"{type(error).__name__}: {text_of(error)}"[:500]
    if not is_out_of_memory(error):
        return AuditbenchError(text)
    fix = "evaluate fewer rows with `data.max_rows`, or raise `limits.memory_gib`"
    return WorkerError("memory ran out", found=text, fix=fix)
