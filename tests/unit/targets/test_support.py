"""Since when: on every op, against the registries of each version."""

from __future__ import annotations

from collections import defaultdict

from opcheck.targets import known_targets, resolve
from opcheck.targets.rows import Row
from opcheck.targets.support import history, support


def test_since_is_what_each_version_has() -> None:
    labels = [t.label for t in known_targets() if t.plugin == "directml"][::-1]
    versions = [label.partition("@")[2] for label in labels]
    expected = defaultdict(set)
    for label, version in zip(labels, versions, strict=True):
        registry = resolve(label).registry
        for row in (Row.of(k) for op in registry.ops() for k in registry.kernels(op)):
            if row.device != "CPU":
                for attr, values in (row.constraints or {"": ("",)}).items():
                    for value in values:
                        what = (row.op, row.device, row.origin, attr, value, row.host_memory)
                        expected[what].add(version)
    target = resolve("directml")
    known = history(target)
    assert [t.version for t in known] == versions
    found = defaultdict(set)
    for op in {what[0] for what in expected}:
        for each in support(target, known, op):
            for span in each.spans:
                there = versions[versions.index(span.first) : versions.index(span.last) + 1]
                for value in each.types or ("",):
                    what = (op, each.device, each.origin, each.attr, value, each.host_memory)
                    found[what] |= set(there)
                    assert each.here == (versions[-1] in found[what])
                assert span.oldest == (span.first == versions[0])
                assert span.newest == (span.last == versions[-1])
    assert found == expected
