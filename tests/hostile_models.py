"""Model files that a stranger might hand in: every one must be refused, and none may do what it came to do."""

from __future__ import annotations

from tests.hostile.archives import ARCHIVES
from tests.hostile.bombs import BOMBS
from tests.hostile.containers import CONTAINERS
from tests.hostile.descriptions import DESCRIPTIONS
from tests.hostile.headers import HEADERS
from tests.hostile.places import PLACES
from tests.hostile.programs import PROGRAMS
from tests.hostile.record import HostileModel
from tests.hostile.tars import TARS

HOSTILE_MODELS: tuple[HostileModel, ...] = (
    *CONTAINERS,
    *PROGRAMS,
    *HEADERS,
    *ARCHIVES,
    *TARS,
    *BOMBS,
    *PLACES,
    *DESCRIPTIONS,
)
