"""What is logged while an analyzer runs: lines of the worker's log, and a count of its plugin's warnings."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def logged(analyzer: str, package: str) -> Iterator[PluginLog]:
    """Write what the block logs to standard error, which is the log of a worker, with its level and the analyzer's name.

    Of the plugin's own loggers that is everything from INFO on, of others from WARNING on.

    Args:
        package: Of the plugin; its loggers are those of this name and below, and the nameless one that
            `logging.warning` uses.
    """
    root, own = logging.getLogger(), logging.getLogger(package)
    log, level = PluginLog(analyzer, package), own.level
    root.addHandler(log)
    if level == logging.NOTSET:
        own.setLevel(logging.INFO)
    try:
        yield log
    finally:
        own.setLevel(level)
        root.removeHandler(log)
        log.close()


class PluginLog(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes the lines.

    Attributes:
        warnings: How many records of the plugin's own loggers had the level WARNING or a higher one.
    """

    def __init__(self, analyzer: str, package: str) -> None:
        super().__init__(sys.stderr)
        self.setLevel(logging.INFO)
        self.setFormatter(logging.Formatter(f"%(levelname)s {analyzer}: %(name)s: %(message)s"))
        self.warnings = 0
        self._package = package

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, and count it."""
        own, loud = self._is_own(record.name), record.levelno >= logging.WARNING
        self.warnings += own and loud
        if own or loud:
            super().emit(record)

    def _is_own(self, logger: str) -> bool:
        return logger in (logging.root.name, self._package) or logger.startswith(f"{self._package}.")
