"""Every message key that the host uses has its sentence, and every sentence is used."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from typing import get_args

from auditbench.masking.player_params import HIDERS
from auditbench.messages import load_messages
from auditbench.run import Capability, Modality

HOST = Path(__file__).parents[2] / "workbench" / "auditbench"
MADE = {f"core.not_applicable_modality_{modality}" for modality in get_args(Modality)} | {
    f"core.not_applicable_capability_{capability}" for capability in get_args(Capability)
}
MADE |= {f"core.hidden_by_{hider}" for hiders in HIDERS.values() for hider in hiders}
MADE |= {
    "_".join((key, *parts))
    for key in ("core.not_possible", "core.settings_refused")
    for count in (1, 2, 3)
    for parts in combinations(("found", "allowed", "fix"), count)
}
"""Keys that the code puts together from parts."""


def test_keys_and_sentences_are_the_same() -> None:
    code = "\n".join(path.read_text() for path in HOST.rglob("*.py"))
    used = set(re.findall(r'"(core\.[a-z_]+[a-z])"', code)) | MADE
    made = {
        f"core.case_rule_{kind}{ending}"
        for kind in ("binary", "multiclass", "regression")
        for ending in ("", "_groups")
    }
    assert set(load_messages("auditbench")["en"]) == used | made
