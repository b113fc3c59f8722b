"""The methods of this plugin, and where they are defined."""

from __future__ import annotations

from auditbench.contracts import MethodFacts

TRACIN = MethodFacts(
    name="training-rows.tracin", source=("arXiv:2002.08484, section 3 (TracInCP), and appendix F (last layer)",)
)
NEIGHBOURS = MethodFacts(name="training-rows.neighbours", source=("arXiv:1803.04765",))
RANKINGS = MethodFacts(name="training-rows.rankings", source=("arXiv:2002.08484, section 4 (self-influence)",))

FACTS = (TRACIN, NEIGHBOURS, RANKINGS)
