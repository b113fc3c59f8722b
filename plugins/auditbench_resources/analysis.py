"""What the model needs: exact counts first, then what a clock and a meter say on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from auditbench.results import AnalysisResult, Metric, Note
from auditbench_resources.compute import MultiplyAccumulates, multiply_accumulates
from auditbench_resources.inputs import input_notes, longest_row
from auditbench_resources.latency import Timing, latency_block, latency_metrics, time_calls
from auditbench_resources.measures import counted, message, metered
from auditbench_resources.memory import MEBIBYTE, MemoryReading, measure_memory
from auditbench_resources.size import state_bytes
from auditbench_resources.summary import layer_table

if TYPE_CHECKING:
    from auditbench.context import AuditContext
    from auditbench.data.evaluation import Inputs
    from auditbench_resources import Params


def analyze(context: AuditContext, params: Params) -> AnalysisResult:
    """Measure the model's size, compute, memory and speed; the model, its flags and random state stay as they are."""
    with _random_state_kept(context.device):
        row = longest_row(_inputs(context, 1), context.data.inputs)
        compute = multiply_accumulates(context.model.module, context.model.encode(row))
        timings = _timings(context, params)
        memory = _memory(context, params)
    latency = latency_block(timings)
    return AnalysisResult(
        metrics=(
            *_exact_metrics(context, compute),
            *(metric for timing in timings for metric in latency_metrics(timing)),
            *_memory_metrics(memory, params.memory_rows),
            _training_time(context),
        ),
        tables=(layer_table(context.model.module, compute),),
        percentiles=() if latency is None else (latency,),
        notes=_notes(context, params, memory.meter),
    )


@contextmanager
def _random_state_kept(device: str) -> Iterator[None]:
    with torch.random.fork_rng(devices=[device] if device.startswith("cuda") else []):
        yield


def _inputs(context: AuditContext, count: int) -> Inputs:
    """The first `count` rows, begun again from the first where there are fewer."""
    return context.data.take(np.arange(count) % len(context.data)).inputs


def _timings(context: AuditContext, params: Params) -> list[Timing]:
    timings = []
    sizes = tuple(dict.fromkeys(params.batch_sizes))
    for done, rows in enumerate(sizes):
        timings.append(
            time_calls(
                partial(context.model.predict, _inputs(context, rows)),
                rows=rows,
                warm_up=params.warm_up,
                repetitions=params.repetitions,
                seconds=params.seconds,
            )
        )
        context.progress(done + 1, len(sizes), step="batch sizes")
    return timings


def _memory(context: AuditContext, params: Params) -> MemoryReading:
    call = partial(context.model.predict, _inputs(context, params.memory_rows))
    call()
    return measure_memory(call, context.device)


def _exact_metrics(context: AuditContext, compute: MultiplyAccumulates) -> tuple[Metric, ...]:
    return (
        counted("parameters", context.model.facts.parameters, "parameters", reason="not_counted"),
        counted("macs", compute.total or None, "MAC/row", reason="nothing_counted"),
        counted("model_size", state_bytes(context.model.module) or None, "bytes", reason="no_state"),
    )


def _training_time(context: AuditContext) -> Metric:
    seconds = context.model.training_cost.get("seconds")
    if seconds is None:
        return metered("training_time", None, "s", n=0, reason=message("undefined.training_not_recorded"))
    return metered("training_time", seconds, "s", n=1)


def _memory_metrics(memory: MemoryReading, rows: int) -> tuple[Metric, ...]:
    where = {"batch": str(rows)}
    missing = message("undefined.no_memory_meter")
    if memory.peak is None or memory.before is None:
        names = ("peak_memory", "memory_growth")
        return tuple(metered(name, None, "MiB", n=0, where=where, reason=missing) for name in names)
    growth = memory.peak - memory.before
    suffix = "_cuda" if memory.meter == "cuda" else ""
    return (
        metered(
            "peak_memory",
            memory.peak / MEBIBYTE,
            "MiB",
            n=memory.samples,
            where=where,
            method=f"peak_memory{suffix}",
        ),
        metered(
            "memory_growth",
            growth / MEBIBYTE if growth > 0 else None,
            "MiB",
            n=memory.samples,
            where=where,
            method=f"memory_growth{suffix}",
            reason=None if growth > 0 else message("undefined.no_growth"),
        ),
    )


def _notes(context: AuditContext, params: Params, meter: str) -> tuple[Note, ...]:
    return (
        *input_notes(context.data.inputs),
        Note(kind="method", text=message("note.macs")),
        Note(
            kind="method",
            text=message(
                "note.latency", warm_up=params.warm_up, repetitions=params.repetitions, seconds=params.seconds
            ),
        ),
        Note(
            kind="method",
            text=message("note.machine", device=context.device, n=torch.get_num_threads()),
        ),
        Note(kind="method", text=message(f"note.memory_{meter}", rows=params.memory_rows)),
        Note(kind="limit", text=message("limit.machine")),
        Note(kind="limit", text=message("limit.macs")),
        Note(kind="limit", text=message("limit.memory")),
    )
