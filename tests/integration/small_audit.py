"""A small audit that the tests of the host share: 80 rows, a linear model, one epoch of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

CONFIG = """
[audit]
name = "small"
[model]
path = "{model}"
task = "binary-classification"
[train]
architecture = "linear"
epochs = 1
[data]
test = "rows.csv"
split = "split"
target = "bought"
positive = "yes"
sensitive = ["sex"]
[report]
formats = []
cases = 2
[limits]
environment = ["PROBE_TRACE", "PROBE_KILL", "PROBE_HEARD", "PROBE_ROWS", "PROBE_OBSERVER"]
"""


def write_rows(folder: Path, count: int = 80) -> None:
    """Write rows.csv: two numbers, a sex, and a label that follows the first number; half of it for training."""
    lines = ["age,hours,sex,split,bought"]
    for row in range(count):
        age, hours = 20 + row * 7 % 50, 10 + row * 3 % 40
        part, label = ("train", "test")[row % 2], "yes" if age > 45 else "no"
        lines.append(f"{age},{hours},{'FM'[row % 3 == 0]},{part},{label}")
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")


def write_config(folder: Path, tail: str = "", *, model: str = "model") -> Path:
    """Write audit.toml with more tables at its end, and the rows when they are not there."""
    if not (folder / "rows.csv").exists():
        write_rows(folder)
    path = folder / "audit.toml"
    path.write_text(CONFIG.format(model=model) + tail)
    return path


@dataclass
class Recorder:
    """A listener that keeps what it hears."""

    states: dict[str, str] = field(default_factory=dict)
    progress: list[tuple[str, str, int, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def stage_started(self, name: str, detail: str = "") -> None:
        self.states[name] = "running"

    def stage_progress(self, name: str, step: str, done: int, total: int) -> None:
        self.progress.append((name, step, done, total))

    def stage_finished(self, name: str, seconds: float, state: str, detail: str = "") -> None:
        self.states[name] = state

    def note(self, text: str) -> None:
        self.notes.append(text)


def processes_of(folder: Path) -> Sequence[int]:
    """Living processes that were started for a run in this folder: workers and whatever they started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environment = (entry / "environ").read_bytes()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if str(folder).encode() in environment and state != "Z":
                found.append(int(entry.name))
    return found
