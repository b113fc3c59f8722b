"""`python -m auditbench.testing.conformance LINE LIFE`: a worker that can also say which promises a plugin's things keep."""

from __future__ import annotations

import sys

from auditbench.worker.keeper import keep_worker

keep_worker(line=int(sys.argv[1]), life=int(sys.argv[2]))

from auditbench.testing.conformance.trial_worker import commands  # noqa: E402 - after the keeper has split off
from auditbench.worker.serving import main  # noqa: E402

main(int(sys.argv[1]), commands)
