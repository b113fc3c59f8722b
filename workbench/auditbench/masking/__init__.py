"""Explaining by hiding: players, what hides them, the evaluation of coalitions, and what explainers share.

A player is what a contribution belongs to: a raw feature however many encoded columns it has, a superpixel, a word.
Importing this package imports neither numpy nor torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from auditbench.masking.additivity import additivity_gap, gap_finding, largest_gap
from auditbench.masking.agreement import agreement_findings, agreement_matrix, agreement_metrics, spearman
from auditbench.masking.coalitions import Coalitions
from auditbench.masking.explanation import Explained, earlier_attributions, explained, shared_out, table_attribution
from auditbench.masking.frames import check_same_columns, column_names, frame_numbers
from auditbench.masking.importance import importance_metrics, sampled_rows
from auditbench.masking.maskers import BackgroundRows, Baseline, Blur, Masker, MaskToken, SegmentMean
from auditbench.masking.occlusion import Occlusion, occlusion
from auditbench.masking.players import NOBODY, Players, feature_players, players_of
from auditbench.masking.seeding import generator, global_seed
from auditbench.masking.segments import time_segments
from auditbench.masking.superpixels import superpixels
from auditbench.masking.table import fill_missing, value_ranks
from auditbench.masking.targets import Target, Targets, chosen_targets
from auditbench.masking.tokens import player_texts, token_players

if TYPE_CHECKING:
    from auditbench.masking.copying import structural_copy
    from auditbench.masking.evaluator import Evaluator, MaskedModel
    from auditbench.masking.first_layer import FirstLayer, cut_first_layer
    from auditbench.masking.prediction import Prediction, all_finite, check_finite
    from auditbench.masking.setting import Setting, setting_of

_HOMES = {
    "Evaluator": "evaluator",
    "FirstLayer": "first_layer",
    "MaskedModel": "evaluator",
    "Prediction": "prediction",
    "Setting": "setting",
    "all_finite": "prediction",
    "check_finite": "prediction",
    "cut_first_layer": "first_layer",
    "structural_copy": "copying",
    "setting_of": "setting",
}

__all__ = [
    "NOBODY",
    "BackgroundRows",
    "Baseline",
    "Blur",
    "Coalitions",
    "Evaluator",
    "Explained",
    "FirstLayer",
    "MaskToken",
    "MaskedModel",
    "Masker",
    "Occlusion",
    "Players",
    "Prediction",
    "SegmentMean",
    "Setting",
    "Target",
    "Targets",
    "additivity_gap",
    "agreement_findings",
    "agreement_matrix",
    "agreement_metrics",
    "all_finite",
    "check_finite",
    "check_same_columns",
    "chosen_targets",
    "column_names",
    "cut_first_layer",
    "earlier_attributions",
    "explained",
    "feature_players",
    "fill_missing",
    "frame_numbers",
    "gap_finding",
    "generator",
    "global_seed",
    "importance_metrics",
    "largest_gap",
    "occlusion",
    "player_texts",
    "players_of",
    "sampled_rows",
    "setting_of",
    "shared_out",
    "spearman",
    "structural_copy",
    "superpixels",
    "table_attribution",
    "time_segments",
    "token_players",
    "value_ranks",
]


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'auditbench.masking' has no attribute {name!r}")
    return getattr(import_module(f"auditbench.masking.{_HOMES[name]}"), name)
