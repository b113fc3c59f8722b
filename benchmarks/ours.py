"""Auditbench's own column: its public functions, called as a user calls them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from benchmarks.methods import Answer, Method

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from benchmarks.workloads import Table

    Rows = npt.NDArray[np.float32]

Given: TypeAlias = Literal["module", "opaque module", "predict function"]
"""How a model is handed over: as it is, as a module that cannot be traced, or only as a function of numpy rows."""
LIBRARY = "auditbench"


def walks(rounds: int, rows: int, *, given: Given = "module") -> Method[Table]:
    """Antithetic permutations, so many pairs of each background row, for a model that is given as described."""
    return Method(
        name=walks_name(rounds, given), library="auditbench_shap", explain=partial(_walks, rounds, given), rows=rows
    )


def walks_name(rounds: int, given: Given = "module") -> str:
    """The name of `walks`."""
    kind = "" if given == "module" else f"{given}, "
    return f"{LIBRARY} permutation, {kind}{rounds} round{'s' if rounds > 1 else ''}"


def exact(rows: int) -> Method[Table]:
    """All coalitions."""
    return Method(
        name=f"{LIBRARY} exact", library="auditbench_shap", explain=partial(_shapley, method="exact"), rows=rows
    )


def kernel(budget: int, rows: int) -> Method[Table]:
    """Paired kernel regression of so many model rows a row."""
    run = partial(_shapley, method="kernel", budget=budget)
    return Method(name=f"{LIBRARY} kernel, {budget:,} rows", library="auditbench_shap", explain=run, rows=rows)


def single_baseline(rows: int) -> Method[Table]:
    """Paired kernel regression against the mean background row, with as many samples as captum's KernelShap."""
    return Method(
        name=f"{LIBRARY} kernel, one baseline", library="auditbench_shap", explain=_single_baseline, rows=rows
    )


def lime_weights(rows: int, *, independent: bool = False) -> Method[Table]:
    """Local linear fits with 5,000 perturbations, shared by all rows or drawn for each."""
    return Method(
        name=f"{LIBRARY} lime, {'independent' if independent else 'shared'} perturbations",
        library="auditbench_lime",
        explain=partial(_lime, independent),
        rows=rows,
    )


def integrated_gradients(rows: int) -> Method[Any]:
    """Integrated gradients with 50 Gauss-Legendre nodes."""
    return Method(
        name=f"{LIBRARY} integrated gradients, 50 steps", library="auditbench_captum", explain=_gradients, rows=rows
    )


def _walks(rounds: int, given: Given, workload: Table, rows: Rows, seed: int) -> Answer:
    models = {"module": workload.model, "opaque module": workload.counted_model(), "predict function": workload.predict}
    budget = walk_budget(workload, rounds)
    return _shapley_of(models[given], workload, rows, seed, method="permutation", budget=budget)


def walk_budget(workload: Table, rounds: int) -> int:
    """Model rows of one explained row: a walk of each background row and its reverse, without their ends."""
    return 2 * rounds * len(workload.background) * (workload.features - 1)


def _shapley(workload: Table, rows: Rows, seed: int, **options: Any) -> Answer:
    return _shapley_of(workload.model, workload, rows, seed, **options)


def _single_baseline(workload: Table, rows: Rows, seed: int) -> Answer:
    import numpy as np

    from auditbench_shap import shapley_values

    found = shapley_values(
        workload.model,
        rows,
        workload.baseline,
        method="kernel",
        budget=2 * workload.features + 2048,
        rng=np.random.default_rng(seed),
    )
    return Answer(values=found.values[:, 0], model_rows=found.model_rows, standard_error=_first(found.standard_error))


def _shapley_of(model: Any, workload: Table, rows: Rows, seed: int, **options: Any) -> Answer:
    import numpy as np

    from auditbench_shap import shapley_values

    found = shapley_values(model, rows, workload.background, rng=np.random.default_rng(seed), **options)
    return Answer(values=found.values[:, 0], model_rows=found.model_rows, standard_error=_first(found.standard_error))


def _lime(independent: bool, workload: Table, rows: Rows, seed: int) -> Answer:
    import numpy as np

    from auditbench_lime import lime_weights as weights

    found = weights(workload.model, rows, workload.training, independent=independent, rng=np.random.default_rng(seed))
    return Answer(values=found.values[:, 0], model_rows=found.model_rows)


def _gradients(workload: Any, rows: Rows, seed: int) -> Answer:
    from auditbench_captum import integrated_gradients as attributions

    found = attributions(workload.model, rows, baseline=workload.baseline, target=workload.targets(len(rows)), steps=50)
    return Answer(values=found.values[:, 0].reshape(len(rows), -1), model_rows=found.model_rows)


def _first(standard_error: npt.NDArray[np.float64] | None) -> npt.NDArray[np.float64] | None:
    return None if standard_error is None else standard_error[:, 0]
