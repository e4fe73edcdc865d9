"""Which model, version and signature a call is for."""

from dataclasses import dataclass
from typing import Any

from serving.protos import model_pb2


@dataclass(frozen=True)
class Which:
    """version and label None: the newest version. signature None: `serving_default`.

    Raises ValueError where both a version and a label are given.
    """

    model: str | None = None
    version: int | None = None
    label: str | None = None
    signature: str | None = None

    def __post_init__(self) -> None:
        if self.version is not None and self.label is not None:
            raise ValueError(f"version={self.version} and label={self.label!r} are both given: pass one of them")

    def or_else(self, default: "Which") -> "Which":
        """This, with what it leaves open taken from `default`; a version here replaces a label there."""
        pinned = self if self.version is not None or self.label is not None else default
        return Which(self.model or default.model, pinned.version, pinned.label, self.signature or default.signature)

    def without_signature(self) -> "Which":
        return Which(self.model, self.version, self.label)

    def spec(self) -> Any:
        """The ModelSpec. Raises ValueError without a model."""
        if not self.model:
            raise ValueError("no model named: Client(target, model=...) or predict(..., model=...)")
        spec = model_pb2.ModelSpec(name=self.model, signature_name=self.signature or "")
        # A version field that is present counts, even with 0: it stays absent for "the newest".
        if self.version is not None:
            spec.version.value = self.version
        elif self.label is not None:
            spec.version_label = self.label
        return spec

    def __str__(self) -> str:
        if self.version is not None:
            which = f"version {self.version}"
        else:
            which = f"label {self.label}" if self.label is not None else "newest version"
        return f"model {self.model}, {which}"
