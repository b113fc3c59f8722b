"""Whether the parameters of analyzers fit the model and the data, once these are open and before an analyzer runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from auditbench.analyzer_needs import unmet_need
from auditbench.config import AuditConfig
from auditbench.contracts import Analyzer
from auditbench.errors import AnalyzerNotPossible, ConfigError, Problem
from auditbench.findings import Message
from auditbench.missing_needs import missing_packages, missing_programs
from auditbench.worker.checking import parameters_in
from auditbench.worker.named_parameters import hidden_parts, named_methods
from auditbench.worker.reasons import not_possible, said

if TYPE_CHECKING:
    from auditbench.data import EvaluationData
    from auditbench.models import ModelUnderTest
    from auditbench.registry import Registry


def refuse_parameters(
    config: AuditConfig, registry: Registry, names: Iterable[str], *, model: ModelUnderTest, data: EvaluationData
) -> dict[str, Message]:
    """Let analyzers look at what they would analyze.

    What else a look raises refuses nothing, as no parameter is to blame: the analyzer, when it runs, fails by itself.

    Returns:
        Why an analyzer will not apply, or what its look raised, by its name.

    Raises:
        ConfigError: With every parameter that does not fit.
    """
    reasons: dict[str, Message] = {}
    problems: list[Problem] = []
    for name in names:
        provided = registry.analyzer(name)
        params, plain_parameters = parameters_in(config, provided)
        misfits = named_methods(provided.record, plain_parameters, data.modality)
        misfits += hidden_parts(provided.record, plain_parameters, data.modality)
        problems += misfits
        look = provided.record.check
        if misfits or look is None or _lacks(provided.record, config, model, data):
            continue
        try:
            look(model, data, params)
        except AnalyzerNotPossible as error:
            reasons[name] = not_possible(error)
        except ConfigError as error:
            problems += error.problems
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's own code
            reasons[name] = said("core.analyzer_raised", error)
    if problems:
        raise ConfigError("parameters of analyzers do not fit the model and the data", problems=tuple(problems))
    return reasons


def _lacks(analyzer: Analyzer, config: AuditConfig, model: ModelUnderTest, data: EvaluationData) -> bool:
    """Whether the analyzer lacks what it needs, which is said elsewhere."""
    reason = unmet_need(
        analyzer.needs,
        modality=data.modality,
        task=model.facts.task,
        sensitive=bool(data.sensitive_features),
        others=bool(config.models),
        training=config.trains_again,
        missing=missing_packages(analyzer.needs) + missing_programs(analyzer.needs),
        capabilities=model.facts.capabilities,
    )
    return reason is not None
