"""An op's signature: TensorFlow's OpDef as plain data."""

from __future__ import annotations

import msgspec


class ArgDef(msgspec.Struct, frozen=True, omit_defaults=True):
    """One argument. Exactly one of ``dtype`` (fixed), ``type_attr`` and ``type_list_attr`` is set.

    ``number_attr`` names the attribute that holds the length of a list of one dtype.
    """

    name: str
    dtype: str = ""
    type_attr: str = ""
    number_attr: str = ""
    type_list_attr: str = ""
    is_ref: bool = False


class OpSignature(msgspec.Struct, frozen=True, omit_defaults=True):
    """Argument names and types of an op, in order (source: TensorFlow's op registry)."""

    op: str
    inputs: tuple[ArgDef, ...] = ()
    outputs: tuple[ArgDef, ...] = ()
    stateful: bool = False
