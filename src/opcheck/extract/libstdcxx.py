"""The few functions of GNU's C++ library that templates in other libraries rely on.

They live out of line in libstdc++ and so are imports: the red-black tree behind ``std::map``
(here a plain binary tree, which every reader of one accepts) and the growth of hash tables.
"""

from __future__ import annotations

import zlib

from opcheck.extract.machine import Fault, Handler, Machine

_PARENT, _LEFT, _RIGHT = 8, 16, 24  # std::_Rb_tree_node_base, after its colour
_DEPTH = 1_000_000


def _insert(m: Machine) -> None:
    """``_Rb_tree_insert_and_rebalance(bool left, node, parent, header)``."""
    left, node, parent, header = m.arg(0) & 1, m.arg(1), m.arg(2), m.arg(3)
    m.set_word(node + _PARENT, parent)
    m.set_word(node + _LEFT, 0)
    m.set_word(node + _RIGHT, 0)
    if parent == header:  # the first node; the header knows the root, the least and the greatest
        for field in (_PARENT, _LEFT, _RIGHT):
            m.set_word(header + field, node)
    elif left:
        m.set_word(parent + _LEFT, node)
        if parent == m.word(header + _LEFT):
            m.set_word(header + _LEFT, node)
    else:
        m.set_word(parent + _RIGHT, node)
        if parent == m.word(header + _RIGHT):
            m.set_word(header + _RIGHT, node)


def _step(m: Machine, towards: int, away: int) -> int:
    """The neighbour of a node in order: the same walk in either direction."""
    node = m.arg(0)
    child = m.word(node + towards)
    if child:
        while m.word(child + away):
            child = m.word(child + away)
        return child
    parent = m.word(node + _PARENT)
    for _ in range(_DEPTH):
        if node != m.word(parent + towards):
            # At the root, the header's own field may point back: then the node is the header.
            return parent if m.word(node + towards) != parent else node
        node, parent = parent, m.word(parent + _PARENT)
    raise Fault("it walked a broken std::map")


def _increment(m: Machine) -> int:
    return _step(m, _RIGHT, _LEFT)


def _decrement(m: Machine) -> int:
    node = m.arg(0)
    if m.word(m.word(node + _PARENT) + _PARENT) == node and not m.read(node, 1)[0]:
        return m.word(node + _RIGHT)  # before the end: the header is red, and its own grandparent
    return _step(m, _LEFT, _RIGHT)


def _hash(m: Machine) -> int:
    """Any hash will do, as long as it is the same each time (Python's own is not)."""
    return zlib.crc32(m.read(m.arg(0), m.arg(1)) if m.arg(1) else b"")


def _next_buckets(m: Machine) -> int:
    """``_Prime_rehash_policy::_M_next_bkt(n)``: any odd number serves as well as a prime."""
    return m.arg(1) | 1


def _need_rehash(m: Machine) -> int:
    """``_M_need_rehash(buckets, elements, inserted)`` -> whether, and to how many buckets."""
    buckets, wanted = m.arg(1), m.arg(2) + m.arg(3)
    if wanted <= buckets:
        return 0
    m.set_second_result(max(2 * buckets, wanted) | 1)
    return 1


_BASE = "PSt18_Rb_tree_node_base"
HANDLERS: dict[str, Handler] = {
    f"_ZSt29_Rb_tree_insert_and_rebalanceb{_BASE}S0_RS_": _insert,
    f"_ZSt18_Rb_tree_increment{_BASE}": _increment,
    "_ZSt18_Rb_tree_incrementPKSt18_Rb_tree_node_base": _increment,
    f"_ZSt18_Rb_tree_decrement{_BASE}": _decrement,
    "_ZSt18_Rb_tree_decrementPKSt18_Rb_tree_node_base": _decrement,
    "_ZNKSt8__detail20_Prime_rehash_policy11_M_next_bktEm": _next_buckets,
    "_ZNKSt8__detail20_Prime_rehash_policy14_M_need_rehashEmmm": _need_rehash,
    "_ZSt11_Hash_bytesPKvmm": _hash,
}
