"""A registration as the JSON that `opcheck registry` prints and reads."""

from __future__ import annotations

import msgspec

from opcheck.targets.kernels import KernelDef, Origin


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One registration. ``constraints`` has, per attribute, what it may be, sorted; ``requires``
    what the system must have, such as ``{"macos": ">=13"}``."""

    op: str
    device: str
    constraints: dict[str, tuple[str, ...]]
    host_memory: tuple[str, ...]
    priority: int
    label: str
    origin: Origin
    requires: dict[str, str] | None

    @classmethod
    def of(cls, kernel: KernelDef) -> Row:
        return cls(
            op=kernel.op,
            device=kernel.device,
            constraints={a: tuple(sorted(values)) for a, values in sorted(kernel.constraints)},
            host_memory=kernel.host_memory,
            priority=kernel.priority,
            label=kernel.label,
            origin=kernel.origin,
            requires=dict(kernel.requires) or None,
        )

    def kernel(self) -> KernelDef:
        return KernelDef(
            op=self.op,
            device=self.device,
            constraints=tuple(self.constraints.items()),
            host_memory=self.host_memory,
            priority=self.priority,
            label=self.label,
            origin=self.origin,
            requires=tuple((self.requires or {}).items()),
        )
