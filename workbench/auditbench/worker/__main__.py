"""`python -m auditbench.worker LINE LIFE` serves one supervisor over the socket LINE, as long as LIFE stays open."""

from __future__ import annotations

import sys

from auditbench.worker.keeper import keep_worker

keep_worker(line=int(sys.argv[1]), life=int(sys.argv[2]))

from auditbench.worker.serving import main  # noqa: E402 - after the keeper has split off, which holds none of it

main(int(sys.argv[1]))
