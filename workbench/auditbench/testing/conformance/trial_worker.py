"""The side of `plugins check` that runs a plugin's code: loads a plugin and tries one thing that it provides."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from auditbench.record import plain
from auditbench.registry import Registry
from auditbench.testing.conformance.kinds import kind_of, promises_of, record_conformance
from auditbench.testing.conformance.promises import Promise
from auditbench.testing.conformance.settings import Settings
from auditbench.testing.conformance.trying import about_to_try, just_tried
from auditbench.worker.serving import Command, Send


def commands(send: Send) -> Mapping[str, Command]:
    """What a worker of this kind can do beside others: `try_thing`."""

    def try_thing(
        plugin: str, thing: str, samples: dict[str, str], parameters: dict[str, dict[str, Any]]
    ) -> dict[str, Any]:
        numbers = itertools.count()

        def tell(promise: Promise) -> None:
            send(
                {
                    "kind": "event",
                    "event": "progress",
                    "name": thing,
                    "step": promise.key,
                    "done": next(numbers),
                    "total": 0,
                }
            )

        def give(name: str, content: Any) -> None:
            send({"kind": "event", "event": "part", "name": name, "content": plain(content)})

        about_to_try.set(tell)
        just_tried.set(lambda outcome: give("outcome", outcome))
        registry = Registry()
        registry.load(plugin)
        settings = Settings(
            samples={name: Path(path) for name, path in samples.items()},
            parameters=parameters,
        )
        record = next(item.record for item in registry.provided_by(plugin) if thing_of(item.record) == thing)
        give("promises", promises_of(record))
        return {"conformance": plain(record_conformance(record, settings))}

    return {"try_thing": try_thing}


def thing_of(record: Any) -> str:
    """A record of a plugin in words that no other of its records has: `renderer gap-text`."""
    return f"{kind_of(record)} {record.name}"
