"""Hostile files of Keras: refused with a reason and a way on, in bounded time and memory, and without running any of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.helper import Helper
from tests.hostile.keras_files import code, config, good_file, with_config
from tests.hostile.keras_models import HOSTILE_KERAS, HostileKeras
from tests.integration.test_hostile_models import MOST_GROWTH, SECONDS, assert_helps

RECORDS = [pytest.param(record, id=record.name) for record in HOSTILE_KERAS]
LIVE = [pytest.param(record, id=record.name) for record in HOSTILE_KERAS if record.live]


@pytest.fixture(scope="module")
def helper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Helper]:
    """A process that opens files, and has opened a good one, so that Keras itself does not count as memory of the next."""
    started = Helper()
    path = tmp_path_factory.mktemp("good") / "model.keras"
    path.write_bytes(good_file(".keras"))
    answer = started.ask(SECONDS, do="open", pretends="keras", path=str(path), bytes=2**31)
    assert answer["roads"]["keras"]["outcome"] == "opened", answer
    yield started
    started.end()


def built(record: HostileKeras, folder: Path) -> tuple[Path, Path]:
    marker, path = folder / "marker", folder / f"model{record.ending}"
    path.write_bytes(record.content(marker))
    assert not marker.exists(), "the builder ran its own payload"
    return path, marker


def test_there_are_many() -> None:
    assert len({record.name for record in HOSTILE_KERAS}) == len(HOSTILE_KERAS) >= 50


@pytest.mark.parametrize("record", RECORDS)
def test_it_is_refused(record: HostileKeras, tmp_path: Path, helper: Helper) -> None:
    path, marker = built(record, tmp_path)
    answer = helper.ask(SECONDS, do="open", pretends="keras", path=str(path), bytes=0)
    tried = answer["roads"]["keras"]
    assert not marker.exists(), "it ran"
    assert tried["outcome"] == "refused", tried
    assert_helps(tried)
    assert [word for word in record.says if word.lower() not in tried["shown"].lower()] == [], tried["shown"]
    assert answer["growth"] <= MOST_GROWTH


@pytest.mark.parametrize("record", LIVE)
def test_every_payload_is_live(record: HostileKeras, tmp_path: Path, helper: Helper) -> None:
    """Opened by Keras without its safe mode, it does write its marker; else a refusal would prove nothing."""
    path, marker = built(record, tmp_path)
    helper.ask(60.0, do="run", runs="keras", path=str(path))
    assert marker.exists()


def test_what_belongs_to_training_is_never_looked_at(tmp_path: Path, helper: Helper) -> None:
    changed, marker = config(), tmp_path / "marker"
    changed["compile_config"] = {
        "loss": code(marker),
        "optimizer": {"module": "os", "class_name": "system", "config": {}},
    }
    path = tmp_path / "model.keras"
    path.write_bytes(with_config(changed))
    answer = helper.ask(SECONDS, do="open", pretends="keras", path=str(path), bytes=0)
    assert answer["roads"]["keras"]["outcome"] == "opened"
    assert not marker.exists()
