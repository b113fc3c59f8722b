"""Promises as tests: `pytest --plugin NAME` has one test for each promise of each thing that an installed plugin provides.

A broken promise fails with what was found, what is allowed and how to mend it; one that cannot be tried is skipped with the
reason. The plugin runs in the process of the tests, where a debugger is at its best; `auditbench plugins check` runs it in
processes of its own. What loaders, data sets and analyzers are tried with stands in the pyproject.toml of pytest's root
folder, under `[tool.auditbench.conformance]`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from auditbench.testing.conformance.promises import Conformance
    from auditbench.testing.conformance.settings import Settings

MARKER = "promise"
_PLUGINS: pytest.StashKey[dict[str, list[Any]]] = pytest.StashKey()
_SETTINGS: pytest.StashKey[Settings | None] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names plugins."""
    group = parser.getgroup("auditbench", "audits of models")
    group.addoption(
        "--plugin",
        action="append",
        default=[],
        metavar="NAME",
        help="Test what this plugin of Auditbench promises, beside the other tests; alone with `-m promise`. Samples of "
        "loaders and data sets and parameters of analyzers stand in [tool.auditbench.conformance] of pyproject.toml. Repeatable.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker of these tests, and load the plugins: what is wrong with them is told where tests are shared out, too."""
    config.addinivalue_line("markers", f"{MARKER}: a promise of a plugin, by `--plugin`")
    names = list(dict.fromkeys(config.getoption("--plugin")))
    config.stash[_PLUGINS] = {name: _records(name) for name in names}
    config.stash[_SETTINGS] = _settings(config.rootpath) if names else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the tests of the plugins that are named, before other plugins choose among all tests."""
    settings = config.stash[_SETTINGS]
    if settings is None:
        return
    for name, records in config.stash[_PLUGINS].items():
        plugin = PluginNode.from_parent(session, name=name, nodeid=name, records=records, settings=settings)
        items += [item for thing in plugin.collect() for item in thing.collect()]


class PluginNode(pytest.Collector):
    """The tests of one plugin."""

    def __init__(self, *, records: list[Any], settings: Settings, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._records = records
        self._settings = settings

    def collect(self) -> Iterator[Thing]:
        """One node for each thing that it provides."""
        from auditbench.testing.conformance.kinds import kind_of

        for record in self._records:
            name = f"{kind_of(record)} {record.name}"
            yield Thing.from_parent(self, name=name, record=record, settings=self._settings)


class Thing(pytest.Collector):
    """One thing that a plugin provides, tried when the first of its tests asks."""

    def __init__(self, *, record: Any, settings: Settings, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._record = record
        self._settings = settings
        self._conformance: Conformance | None = None

    def collect(self) -> Iterator[PromiseItem]:
        """One test for each promise."""
        from auditbench.testing.conformance.kinds import promises_of

        for promise in promises_of(self._record):
            yield PromiseItem.from_parent(self, name=promise.key, thing=self)

    def conformance(self) -> Conformance:
        """Which promises it keeps."""
        from auditbench.testing.conformance.kinds import record_conformance

        if self._conformance is None:
            self._conformance = record_conformance(self._record, self._settings)
        return self._conformance


class PromiseItem(pytest.Item):
    """One promise of one thing."""

    def __init__(self, *, thing: Thing, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._thing = thing
        self.add_marker(MARKER)

    def runtest(self) -> None:
        """Fail with what breaks the promise, or skip with why it was not tried."""
        outcome = next(one for one in self._thing.conformance().outcomes if one.promise.key == self.name)
        if outcome.problem:
            head, *parts = outcome.problem.lines()
            raise pytest.fail.Exception(
                "\n".join([head, f"  promise: {outcome.promise.sentence}", *parts]), pytrace=False
            )
        if outcome.state == "not_tried":
            pytest.skip(outcome.reason)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where a failure is told to be."""
        return self.path, None, self.nodeid


def _records(name: str) -> list[Any]:
    """What an installed plugin provides."""
    from auditbench.errors import AuditbenchError
    from auditbench.registry import Registry

    registry = Registry()
    try:
        registry.load_named([name], where="--plugin")
    except AuditbenchError as error:
        raise pytest.UsageError(error.describe()) from error
    return [provided.record for provided in registry.provided_by(name)]


def _settings(root: Path) -> Settings:
    """What the pyproject.toml of a folder says; nothing where there is none."""
    from auditbench.errors import AuditbenchError
    from auditbench.testing.conformance.settings import Settings, settings_in
    from auditbench.toml_file import read_toml

    path = root / "pyproject.toml"
    if not path.is_file():
        return Settings()
    try:
        return settings_in(read_toml(path, fix="correct it"), folder=root)
    except AuditbenchError as error:
        raise pytest.UsageError(error.describe()) from error
