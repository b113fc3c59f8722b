"""Which sensitive features tell sex and race, and what there is to count by them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from auditbench.errors import AnalyzerNotPossible, ConfigError

if TYPE_CHECKING:
    from auditbench.data import EvaluationData
    from auditbench_impact_ratios import Params

Role: TypeAlias = Literal["sex", "race"]

_USUAL_NAMES: dict[Role, tuple[str, ...]] = {"sex": ("sex", "gender"), "race": ("race", "ethnicity")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """The sensitive features that play a part, one of them at least; empty for one that none does.

    Attributes:
        in_order: Both, in the order of the data, as combinations of features are named elsewhere.
    """

    sex: str
    race: str
    in_order: tuple[str, ...]

    @property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """The features that are counted by: each alone, then both together."""
        parts: dict[str, tuple[str, ...]] = {"sex": (self.sex,)} if self.sex else {}
        parts |= {"race": (self.race,)} if self.race else {}
        return parts | ({"sex_and_race": self.in_order} if len(parts) == 2 else {})


def check(data: EvaluationData, params: Params) -> None:
    """Refuse parameters that do not fit the data.

    Raises:
        ConfigError: As `roles_of`; or selection alone, of a regression.
        AnalyzerNotPossible: As `roles_of`.
    """
    roles_of(tuple(data.sensitive_features), params)
    if data.task == "regression" and "scoring" not in params.modes:
        raise ConfigError(
            "a regression selects nobody",
            where="analyzers.impact-ratios.modes",
            found=", ".join(params.modes),
            allowed="scoring",
            fix='add "scoring", or leave the parameter out',
        )


def roles_of(sensitive: Collection[str], params: Params) -> Roles:
    """The features by the parameters, or by their usual names.

    Raises:
        ConfigError: A parameter names no sensitive feature, or both name one.
        AnalyzerNotPossible: No feature is named, and none or several have a usual name.
    """
    sex, race = _role("sex", params.sex, sensitive), _role("race", params.race, sensitive)
    if not sex and not race:
        raise AnalyzerNotPossible(
            "no sensitive feature is known to tell sex or race",
            where="analyzers.impact-ratios",
            found=", ".join(sensitive),
            allowed="features named sex, gender, race or ethnicity, or the parameters `sex` and `race`",
            fix="name the feature that tells sex as `sex`, the one that tells race or ethnicity as `race`",
        )
    if sex == race:
        raise ConfigError(
            "one feature cannot tell both sex and race",
            where="analyzers.impact-ratios.race",
            found=race,
            allowed=", ".join(name for name in sensitive if name != sex) or "nothing",
            fix="name another one, or leave one of both parameters out",
        )
    return Roles(sex=sex, race=race, in_order=tuple(name for name in sensitive if name in (sex, race)))


def _role(role: Role, named: str, sensitive: Collection[str]) -> str:
    where = f"analyzers.impact-ratios.{role}"
    if named:
        if named not in sensitive:
            raise ConfigError(
                "there is no sensitive feature of this name",
                where=where,
                found=named,
                allowed=", ".join(sensitive),
                fix="name one of them, or add the column to data.sensitive",
            )
        return named
    usual = [name for name in sensitive if name.casefold() in _USUAL_NAMES[role]]
    if len(usual) > 1:
        raise AnalyzerNotPossible(
            f"several sensitive features could tell {role}",
            where=where,
            found=", ".join(usual),
            allowed="one of them",
            fix=f"name the one that is meant as `{role}`",
        )
    return usual[0] if usual else ""
