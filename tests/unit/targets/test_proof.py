"""The recorded proof (tests/extract/registry_proof.py) is of the registries that are shipped."""

from __future__ import annotations

import hashlib

import pytest
from proof_record import recorded

from opcheck.extract.manifest import manifest
from opcheck.targets import store
from opcheck.targets.index import DATA

ROWS = {row.name: row for row in (*manifest().core, *manifest().plugin)}
PROOFS = recorded()
PROVEN = [name for name in ROWS if name in PROOFS]
MACOS = [name for name in PROVEN if "-macos-" in name]
# Linked against no library of TensorFlow: it holds a copy of the framework, with a registry of its
# own, for what TensorBoard makes of profiles.
_APART = {
    f"tensorflow-{version}-macos-arm64": (
        "tensorflow/python/profiler/internal/_pywrap_profiler_plugin.so",
    )
    for version in ("2.19.0", "2.19.1")
}
LINUX = [name for name in PROVEN if "-linux-" in name or name.startswith("directml-")]


def test_every_registry_is_proven() -> None:
    """`nox -s registry_proof` proves a row that is new."""
    assert ROWS.keys() <= PROOFS.keys()
    assert PROOFS.keys() - ROWS.keys() <= {"tensorflow-2.18.1-linux-x86_64"}


@pytest.mark.parametrize("name", PROVEN)
def test_the_file_that_was_recovered_is_the_shipped_one(name: str) -> None:
    row, proof = ROWS[name], PROOFS[name]
    assert (proof.wheel, proof.sha256) == (row.wheel, row.sha256)
    assert proof.data == hashlib.sha256((DATA / f"{name}.json").read_bytes()).hexdigest()


@pytest.mark.parametrize("name", MACOS)
def test_each_call_of_the_registrar_made_one_kernel(name: str) -> None:
    libraries = PROOFS[name].libraries
    sources = {source.member: source for source in store.read(DATA / f"{name}.json").sources}
    assert sources.keys() == {library.member for library in libraries}
    for library in libraries:
        source = sources[library.member]
        assert library.calls == library.kernels >= source.kernels
        assert source.method == f"emulated {library.initializers} static initializers"
        assert tuple(a.initializer for a in library.abandoned) == source.abandoned
        assert all(a.functions for a in library.abandoned)


@pytest.mark.parametrize("name", MACOS)
def test_no_other_library_of_the_wheel_registers_a_kernel(name: str) -> None:
    assert PROOFS[name].not_loaded == _APART.get(name, ())


def test_a_running_tensorflow_has_the_same() -> None:
    lacking = [n for n in LINUX if (PROOFS[n].live or 0) < PROOFS[n].kernels or not PROOFS[n].live]
    assert lacking == []


@pytest.mark.parametrize("name", [row.name for row in manifest().plugin if row.plugin == "metal"])
def test_a_plugin_links_to_each_tensorflow_that_it_is_paired_with(name: str) -> None:
    row = next(row for row in manifest().plugin if row.name == name)
    cores = {pairing.core for pairing in row.pairing}
    assert {core for core in cores & PROOFS.keys() if name not in PROOFS[core].links} == set()


def test_a_plugin_that_does_not_load_does_not_link() -> None:
    """tensorflow/tensorflow#84167: the symbols are why, so that they are worth looking at."""
    assert "metal-1.1.0-arm64" not in PROOFS["tensorflow-2.18.1-macos-arm64"].links
