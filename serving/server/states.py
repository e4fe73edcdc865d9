"""What is known of each model version, and of a model as a whole."""

from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from serving.server.config import ModelSettings
from serving.server.servable import Servable
from serving.server.status import ServingError
from serving.server.versions import Snapshot


class State(IntEnum):
    """The numbers of GetModelStatusResponse."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass
class VersionRecord:
    name: str
    version: int
    path: Path
    state: State = State.START
    error: ServingError | None = None  # why the load failed, once it is given up
    servable: Servable | None = None
    failures: int = 0
    retry_at: float = 0.0
    tried: Snapshot | None = None  # what the folder held when it was last tried
    busy: bool = False  # a thread is loading or unloading it

    @property
    def given_up(self) -> bool:
        return self.state == State.END and self.error is not None

    def __str__(self) -> str:
        return f"{{name: {self.name} version: {self.version}}}"


@dataclass
class ModelRecord:
    settings: ModelSettings
    versions: dict[int, VersionRecord] = field(default_factory=dict)
    aspired: list[int] = field(default_factory=list)
    removed: bool = False  # no longer in the configuration: to be unloaded

    def in_state(self, *states: State) -> list[VersionRecord]:
        return [record for record in self.versions.values() if record.state in states]

    @property
    def ready(self) -> bool:
        return bool(self.in_state(State.AVAILABLE))

    @property
    def failed(self) -> bool:
        """Every version that is wanted was given up, and none serves."""
        records = [self.versions[v] for v in self.aspired if v in self.versions]
        return bool(records) and not self.ready and all(record.given_up for record in records)
