"""Answers every function that registers a kernel, and writes down what it was told.

There are two families: the C API that plugins use (tensorflow/c/kernels.h), and the C++ builder
of TensorFlow itself (core/framework/kernel_def_builder.h, core/framework/op_kernel.h). Their
mangled names differ between TensorFlow versions (an absl namespace, libc++ or libstdc++), hence
the patterns.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Container, Iterable

from opcheck.extract import strings
from opcheck.extract.dtypes import dtype_name
from opcheck.extract.machine import Fault, Handler, Machine
from opcheck.targets.kernels import KernelDef, Origin


class _Builder:
    """A kernel definition in the making."""

    def __init__(self, op: str, device: str = "") -> None:
        self.op, self.device = op, device
        self.constraints: list[tuple[str, tuple[str, ...]]] = []
        self.host_memory: set[str] = set()
        self.priority, self.label = 0, ""

    def build(self, origin: Origin) -> KernelDef:
        return KernelDef(
            op=self.op,
            device=self.device,
            constraints=tuple(sorted(self.constraints)),
            host_memory=tuple(sorted(self.host_memory)),
            priority=self.priority,
            label=self.label,
            origin=origin,
            requires=(),
        )


class Recorder:
    """The registrations of one emulated process, in order."""

    def __init__(self, origin: Origin) -> None:
        self.kernels: list[KernelDef] = []
        self.defines: list[str] = []
        """Ops that a plugin defines itself."""
        self.calls: list[int] = []
        """For each kernel of a core, where the call that registered it returns to."""
        self._call: int | None = None
        self._origin = origin
        self._builders: dict[int, _Builder] = {}
        self._built: dict[int, KernelDef] = {}

    def handlers(self, symbols: Iterable[str], defined: Container[str] = ()) -> dict[str, Handler]:
        """A handler for each of ``symbols`` that registers something.

        What else belongs to the C API runs for real where a library defines it.
        """
        support: dict[str, Handler] = {
            "TF_NewStatus": lambda m: m.alloc(64),
            "TF_NewOpDefinitionBuilder": self._new_op,
        }
        c_api = {name: handler for name, handler in support.items() if name not in defined}
        c_api |= {
            "TF_NewKernelBuilder": self._new_builder,
            "TF_KernelBuilder_TypeConstraint": self._type_constraint,
            "TF_KernelBuilder_HostMemory": self._host_memory,
            "TF_KernelBuilder_Priority": self._priority,
            "TF_KernelBuilder_Label": self._label,
            "TF_RegisterKernelBuilder": self._register,
        }
        builder = "_ZN10tensorflow16KernelDefBuilder"
        cpp: dict[str, Handler] = {
            builder + r"C[12]EPKc": self._construct,
            r"_ZN10tensorflow15register_kernel4NameC[12]EPKc": self._construct,
            builder + r"6DeviceEPKc": self._device,
            builder + r"14TypeConstraintEPKcNS_8DataTypeE": self._type_constraint,
            builder + r"14TypeConstraintEPKc.*KNS_8DataTypeEEE": self._type_constraints,
            builder + r"14AttrConstraintIPKcEERS0_S3_T_": self._text_constraint,
            builder + r"14AttrConstraintI[xl]EERS0_PKcT_": self._int_constraint,
            builder + r"14AttrConstraintIbEERS0_PKcT_": self._bool_constraint,
            builder + r"14AttrConstraintINS.*basic_string.*Span.*": self._text_constraints,
            builder + r"14AttrConstraintI[^.]*": self._unknown_constraint,  # no trampoline
            builder + r"10HostMemoryEPKc": self._host_memory,
            builder + r"5LabelEPKc": self._label,
            builder + r"8PriorityEi": self._priority,
            builder + r"5BuildEv": self._build,
            r"_ZN10tensorflow14kernel_factory17OpKernelRegistrar12InitInternalE.*": self._registrar,
        }
        patterns = [(re.compile(pattern), handler) for pattern, handler in cpp.items()]
        found: dict[str, Handler] = {}
        for symbol in symbols:
            if symbol in c_api:
                found[symbol] = c_api[symbol]
            elif symbol.startswith("_ZN10tensorflow1"):
                matching = (handler for pattern, handler in patterns if pattern.fullmatch(symbol))
                handler = next(matching, None)
                if handler is not None:
                    found[symbol] = handler
        return found

    # -- making a builder -----------------------------------------------------------------

    def _new_builder(self, m: Machine) -> int:
        handle = m.alloc(64)
        self._builders[handle] = _Builder(m.text(m.arg(0)), m.text(m.arg(1)))
        return handle

    def _construct(self, m: Machine) -> int:
        self._builders[m.arg(0)] = _Builder(m.text(m.arg(1)))
        return m.arg(0)

    def _builder(self, handle: int) -> _Builder:
        if handle not in self._builders:
            raise Fault("it used a kernel builder that it never made")
        return self._builders[handle]

    # -- what the C++ builder's methods return is the builder itself; the C API ignores it --

    def _device(self, m: Machine) -> int:
        self._builder(m.arg(0)).device = m.text(m.arg(1))
        return m.arg(0)

    def _constrain(self, m: Machine, *allowed: str) -> int:
        self._builder(m.arg(0)).constraints.append((m.text(m.arg(1)), tuple(sorted(allowed))))
        return m.arg(0)

    def _type_constraint(self, m: Machine) -> int:
        return self._constrain(m, dtype_name(m.arg(2) & 0xFFFF_FFFF))

    def _type_constraints(self, m: Machine) -> int:
        """An absl::Span of DataType: a pointer and a count."""
        count = m.arg(3)
        if count > 64:
            raise Fault(f"it constrains an attribute to {count} types")
        numbers = struct.unpack(f"<{count}I", m.read(m.arg(2), 4 * count))
        return self._constrain(m, *map(dtype_name, numbers))

    def _text_constraint(self, m: Machine) -> int:
        return self._constrain(m, m.text(m.arg(2)))

    def _text_constraints(self, m: Machine) -> int:
        """An absl::Span of std::string."""
        if m.arg(3) > 64:
            raise Fault(f"it constrains an attribute to {m.arg(3)} strings")
        step = strings.size_of(m)
        found = (strings.get(m, m.arg(2) + i * step) for i in range(m.arg(3)))
        return self._constrain(m, *(text.decode() for text in found))

    def _int_constraint(self, m: Machine) -> int:
        (value,) = struct.unpack("<q", struct.pack("<Q", m.arg(2)))
        return self._constrain(m, str(value))

    def _bool_constraint(self, m: Machine) -> int:
        return self._constrain(m, "true" if m.arg(2) & 0xFF else "false")

    def _unknown_constraint(self, m: Machine) -> int:
        raise Fault(f"it constrains {m.text(m.arg(1))} in a way that opcheck cannot read")

    def _host_memory(self, m: Machine) -> int:
        self._builder(m.arg(0)).host_memory.add(m.text(m.arg(1)))
        return m.arg(0)

    def _priority(self, m: Machine) -> int:
        (value,) = struct.unpack("<i", struct.pack("<I", m.arg(1) & 0xFFFF_FFFF))
        self._builder(m.arg(0)).priority = value
        return m.arg(0)

    def _label(self, m: Machine) -> int:
        self._builder(m.arg(0)).label = m.text(m.arg(1))
        return m.arg(0)

    def constructs_registrar(self, m: Machine) -> None:
        """For `Machine.watch`: the registrar's constructor, which calls its ``InitInternal``."""
        self._call = m.caller()

    # -- registering ----------------------------------------------------------------------

    def _build(self, m: Machine) -> int:
        """A stand-in for the ``KernelDef`` that ``Build`` makes; the registrar brings it back."""
        handle = m.alloc(16)
        self._built[handle] = self._builder(m.arg(0)).build(self._origin)
        return handle

    def _registrar(self, m: Machine) -> None:
        if m.arg(1) not in self._built:
            raise Fault("it registered a kernel definition that it never built")
        self.kernels.append(self._built[m.arg(1)])
        self.calls.append(m.caller() if self._call is None else self._call)
        self._call = None
        m.set_word(m.arg(4), 0)  # it takes the factory out of the caller's unique_ptr

    def _register(self, m: Machine) -> None:
        self.calls.append(m.caller())
        self.kernels.append(self._builder(m.arg(1)).build(self._origin))

    def _new_op(self, m: Machine) -> int:
        self.defines.append(m.text(m.arg(0)))
        return m.alloc(64)
