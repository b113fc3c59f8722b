"""`python -m auditbench.worker FD` serves one supervisor over the socket FD."""

from __future__ import annotations

import sys

from auditbench.worker.serving import main

main(int(sys.argv[1]))
