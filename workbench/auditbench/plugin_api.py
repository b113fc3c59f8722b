"""Which version of the contracts a plugin was written for, and whether this host keeps it."""

from __future__ import annotations

import re

from auditbench.contracts import API_VERSION
from auditbench.errors import PluginError

STATED_AS = "AUDITBENCH_API"
"""Name in a plugin's module, or a package around it, whose value is the version of the contracts that it was written for."""

UNSTATED = "1.0"
"""What a plugin was written for that does not say it: what stood before versions were stated."""

_VERSION = re.compile(r"(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})")


def kept_version(stated: object, *, where: str, distribution: str) -> str:
    """The version that a plugin states, if this host keeps it: of the same major, and no later minor.

    Args:
        stated: The value of `AUDITBENCH_API`.
        where: What an error calls the plugin.
        distribution: Where the plugin comes from.

    Raises:
        PluginError: It is written otherwise, or this host does not keep it; with what to install.
    """
    parts = _VERSION.fullmatch(stated) if isinstance(stated, str) else None
    if parts is None:
        raise PluginError(
            f"`{STATED_AS}` does not say which version of the contracts this plugin was written for",
            where=where,
            found=f"{type(stated).__name__} {stated!r}"[:80],
            allowed=f'text of two numbers, such as "{API_VERSION}"',
            fix=f'write `{STATED_AS} = "{API_VERSION}"` into its module',
        )
    wanted, own = (int(parts[1]), int(parts[2])), _own()
    if wanted[0] == own[0] and wanted <= own:
        return parts[0]
    newer = f"install a later Auditbench: pip install --upgrade auditbench; or a {distribution} that was written for this one"
    older = f"install a {distribution} that was written for this Auditbench: pip install --upgrade {distribution}"
    raise PluginError(
        "this plugin was written for another version of the contracts",
        where=where,
        found=f"{STATED_AS} = {stated!r}",
        allowed=f"{own[0]}.0 to {API_VERSION}" if own[1] else API_VERSION,
        fix=newer if wanted > own else older,
    )


def _own() -> tuple[int, int]:
    major, _, minor = API_VERSION.partition(".")
    return int(major), int(minor)
