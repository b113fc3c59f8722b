"""A model behind an address that speaks the Open Inference Protocol v2, as KServe, Triton and MLServer do.

Nothing else of the product connects to a network. A request goes to the address that the config names and to no other:
redirects are refused and proxies of the environment are not used. The value of a credential is read from the environment
for each request, is kept nowhere, and whatever repeats a part of it is withheld.
"""
