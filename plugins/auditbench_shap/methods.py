"""Names of the methods: estimators of this plugin, and explainers of the shap library."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from auditbench.contracts import MethodFacts

OwnMethod: TypeAlias = Literal["exact", "permutation", "kernel"]
Method: TypeAlias = Literal[
    "auto",
    "exact",
    "permutation",
    "kernel",
    "shap.kernel",
    "shap.permutation",
    "shap.sampling",
    "shap.exact",
    "shap.partition",
    "shap.deep",
    "shap.gradient",
    "shap.tree",
]
"""Those of `shapley_values`, and `shap.tree`, which explains estimators made of trees."""
AnalyzerMethod: TypeAlias = Literal[Method, "hierarchical"]
"""All of them; `hierarchical` explains texts by their sentences, clauses and words."""

METHODS = get_args(Method)

WITH_TARGET_ERROR = ("auto", "exact", "permutation")
"""Those that a target error may be given with: `exact` has no error."""

_VALUES = ("arXiv:1705.07874, eq. 4", "arXiv:1910.13413")
_WALKS = ("doi:10.1016/j.cor.2008.04.004", "arXiv:2104.12199")
_SOURCES: dict[str, tuple[str, ...]] = {
    "exact": _VALUES,
    "permutation": _WALKS,
    "kernel": ("arXiv:1705.07874, theorem 2", "arXiv:2012.01536"),
    "interventional": _VALUES,
    "hierarchical": (
        "Owen 1977, Values of games with a priori unions",
        "Winter 1989, A value for cooperative games with levels structure of cooperation",
    ),
    "shap.kernel": ("arXiv:1705.07874, theorem 2",),
    "shap.permutation": _WALKS,
    "shap.sampling": ("Štrumbelj and Kononenko 2010, An Efficient Explanation of Individual Classifications, JMLR 11",),
    "shap.exact": _VALUES,
    "shap.partition": ("Owen 1977, Values of games with a priori unions",),
    "shap.deep": ("arXiv:1704.02685", "arXiv:1705.07874"),
    "shap.gradient": ("arXiv:1906.10670",),
    "shap.tree": ("arXiv:1905.04610",),
}
"""Of parts of images, texts and series an attribution is `interventional`: each row is estimated as its parts allow."""

_PARTS = ("image", "text", "series")
_MODALITIES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(get_args(OwnMethod), ("tabular", *_PARTS)),
    "interventional": _PARTS,
    "hierarchical": ("text",),
}

FACTS = tuple(
    MethodFacts(name=f"shap.{name}", source=source, modalities=_MODALITIES.get(name, ("tabular",)))
    for name, source in _SOURCES.items()
)
