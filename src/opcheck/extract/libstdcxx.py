"""The few functions of GNU's C++ library that templates in other libraries rely on.

They live out of line in libstdc++ and so are imports: the red-black tree behind ``std::map``
(here a plain binary tree, which every reader of one accepts), the growth of hash tables, the links
of ``std::list`` and what makes or changes a ``std::string`` (``bits/basic_string.tcc``).
"""

from __future__ import annotations

import zlib

from opcheck.extract import strings
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


def _hook(m: Machine) -> None:
    """``_List_node_base::_M_hook(position)``: a node is its next and its previous one."""
    node, position = m.arg(0), m.arg(1)
    before = m.word(position + 8)
    m.set_word(node, position)
    m.set_word(node + 8, before)
    m.set_word(before, node)
    m.set_word(position + 8, node)


def _unhook(m: Machine) -> None:
    after, before = m.word(m.arg(0)), m.word(m.arg(0) + 8)
    m.set_word(before, after)
    m.set_word(after + 8, before)


def _create(m: Machine) -> int:
    """``_M_create(size_t& capacity, size_t old)``: room for a capacity at least twice the old."""
    wanted, old = m.word(m.arg(1)), m.arg(2)
    capacity = max(wanted, 2 * old) if wanted > old else wanted
    m.set_word(m.arg(1), capacity)
    return m.alloc(capacity + 1)


def _splice(m: Machine, at: int, removed: int, added: bytes) -> int:
    text = strings.get(m, m.arg(0))
    strings.put(m, m.arg(0), text[:at] + added + text[at + removed :])
    return m.arg(0)


def _bytes(m: Machine, address: int, size: int) -> bytes:
    return m.read(address, size) if address and size else bytes(min(size, 1 << 20))


def _repeated(byte: int, count: int) -> bytes:
    if count > 1 << 20:
        raise Fault(f"it made a string of {count} bytes")
    return bytes([byte & 0xFF]) * count


def _append(m: Machine) -> int:
    """``_M_append(const char*, size_t)``."""
    return _splice(m, len(strings.get(m, m.arg(0))), 0, _bytes(m, m.arg(1), m.arg(2)))


def _assign(m: Machine) -> None:
    """``_M_assign(const string&)``."""
    strings.put(m, m.arg(0), strings.get(m, m.arg(1)))


def _replace(m: Machine) -> int:
    """``_M_replace(position, removed, const char*, size_t)``; ``_M_mutate`` takes the same."""
    return _splice(m, m.arg(1), m.arg(2), _bytes(m, m.arg(3), m.arg(4)))


def _replace_with(m: Machine) -> int:
    """``_M_replace_aux(position, removed, count, char)``."""
    return _splice(m, m.arg(1), m.arg(2), _repeated(m.arg(4), m.arg(3)))


def _erase(m: Machine) -> None:
    """``_M_erase(position, count)``."""
    _splice(m, m.arg(1), m.arg(2), b"")


def _resize(m: Machine) -> None:
    """``resize(size, char)``."""
    text, size = strings.get(m, m.arg(0)), m.arg(1)
    fill = _repeated(m.arg(2), max(0, size - len(text)))
    strings.put(m, m.arg(0), text[:size] + fill)


def _reserve(m: Machine) -> None:
    """``reserve(capacity)``: in memory of its own, whose capacity follows the size."""
    text, capacity = strings.get(m, m.arg(0)), m.arg(1)
    if capacity <= max(len(text), 15):
        return
    m.set_word(m.arg(0), m.alloc(capacity + 1))
    m.write(m.word(m.arg(0)), text + b"\0")
    m.set_word(m.arg(0) + 16, capacity)


def _construct(m: Machine) -> int:
    """``string(const char*)``."""
    strings.put(m, m.arg(0), m.text(m.arg(1)).encode())
    return m.arg(0)


def _construct_empty(m: Machine) -> int:
    strings.put(m, m.arg(0), b"")
    return m.arg(0)


def _construct_repeated(m: Machine) -> None:
    """``_M_construct(count, char)``."""
    strings.put(m, m.arg(0), _repeated(m.arg(2), m.arg(1)))


def _compare(m: Machine) -> int:
    """``compare(const char*)``."""
    left, right = strings.get(m, m.arg(0)), m.text(m.arg(1)).encode()
    return (left > right) - (left < right)


_STRING = "St7__cxx1112basic_stringIcSt11char_traitsIcESaIcEE"
_NODE = "_ZNSt8__detail15_List_node_base"
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
    _NODE + "7_M_hookEPS0_": _hook,
    _NODE + "9_M_unhookEv": _unhook,
    f"_ZN{_STRING}9_M_createERmm": _create,
    f"_ZN{_STRING}9_M_appendEPKcm": _append,
    f"_ZN{_STRING}9_M_assignERKS4_": _assign,
    f"_ZN{_STRING}10_M_replaceEmmPKcm": _replace,
    f"_ZN{_STRING}9_M_mutateEmmPKcm": _replace,
    f"_ZN{_STRING}14_M_replace_auxEmmmc": _replace_with,
    f"_ZN{_STRING}8_M_eraseEmm": _erase,
    f"_ZN{_STRING}6resizeEmc": _resize,
    f"_ZN{_STRING}7reserveEm": _reserve,
    f"_ZN{_STRING}12_M_constructEmc": _construct_repeated,
    f"_ZN{_STRING}C1EPKcRKS3_": _construct,
    f"_ZN{_STRING}C2EPKcRKS3_": _construct,
    f"_ZN{_STRING}C1Ev": _construct_empty,
    f"_ZN{_STRING}C2Ev": _construct_empty,
    f"_ZNK{_STRING}7compareEPKc": _compare,
}
