"""What is known of the methods of this plugin; their words stand in its catalogues."""

from __future__ import annotations

from auditbench.contracts import MethodFacts

ACTIVITY = MethodFacts(name="layers.activity", source=("arXiv:1607.03250, eq. 1",))
CKA = MethodFacts(
    name="layers.cka",
    source=("arXiv:1905.00414, eq. 4", "arXiv:2010.15327, eq. 3", "Song et al. 2012, J. Machine Learning Research 13"),
)
PROBES = MethodFacts(name="layers.probes", source=("arXiv:1610.01644", "arXiv:1909.03368, section 2"))
CONTRIBUTIONS = {
    "conductance": MethodFacts(name="layers.conductance", source=("arXiv:1805.12233",)),
    "layer_integrated_gradients": MethodFacts(
        name="layers.layer_integrated_gradients", source=("arXiv:1703.01365, eq. 1",)
    ),
    "activation_x_gradient": MethodFacts(name="layers.activation_x_gradient", source=("arXiv:1605.01713",)),
    "internal_influence": MethodFacts(name="layers.internal_influence", source=("arXiv:1802.03788",)),
}
FACTS = (ACTIVITY, CKA, PROBES, *CONTRIBUTIONS.values())
