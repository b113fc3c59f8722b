"""A renderer whose module imports, at its top, what it says may be missing."""

from __future__ import annotations

from collections.abc import Mapping

import xlsxwriter

from auditbench.contracts import RenderOptions
from auditbench.run import AuditRun
from tests.zoo.renderers import good


def draw(run: AuditRun, options: RenderOptions) -> Mapping[str, bytes]:
    assert xlsxwriter.__version__
    return good(run, options)
