"""The methods of this plugin and their sources."""

from __future__ import annotations

from auditbench.contracts import MethodFacts

_CONTRAST = "arXiv:2202.10419, section 3"
_TEXTS = ("text",)

ATTRIBUTIONS = (
    MethodFacts(
        name="language.shapley",
        source=("arXiv:1705.07874, eq. 8", "arXiv:2104.12199, section 4.1", _CONTRAST),
        modalities=_TEXTS,
    ),
    MethodFacts(name="language.occlusion", source=("arXiv:1311.2901, section 4.2", _CONTRAST), modalities=_TEXTS),
    MethodFacts(name="language.integrated_gradients", source=("arXiv:1703.01365, eq. 1", _CONTRAST), modalities=_TEXTS),
)
LENS = MethodFacts(name="language-lens.logit_lens", source=("arXiv:2303.08112, section 2",), modalities=_TEXTS)
LIKELIHOOD = MethodFacts(name="language-pairs.likelihood", source=("arXiv:2010.00133, section 3",), modalities=_TEXTS)
OUTPUTS = MethodFacts(name="language-pairs.outputs", source=("arXiv:1809.10610, section 3",), modalities=_TEXTS)
