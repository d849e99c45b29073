"""The emulated machine: what it answers, and that a hostile library cannot get out of it."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from packaging.version import Version

from opcheck.errors import ExtractError
from opcheck.extract import plugin, runtime
from opcheck.extract.apple import Gates
from opcheck.extract.image import SLIDE, Image, Import, Segment
from opcheck.extract.library import load
from opcheck.extract.machine import Fault, Handler, Machine
from opcheck.extract.plugin import extract_plugin
from opcheck.extract.recorder import Recorder

GOT = SLIDE + 0x1000  # where the imports of a made-up library are


def machine(
    code: str, imports: tuple[str, ...] = (), handlers: Mapping[str, Handler] | None = None
) -> Machine:
    """An x86-64 library that is ``code`` (in hexadecimal) and a table of imports."""
    image = Image(
        path=Path("made-up.so"),
        arch="x86_64",
        container="elf",
        slide=SLIDE,
        segments=(Segment(SLIDE, 0x2000, bytes.fromhex(code)),),
        pointers=(),
        imports=tuple(Import(GOT + 8 * i, name) for i, name in enumerate(imports)),
        symbols={"start": SLIDE},
        local={},
        initializers=(),
    )
    known = {**runtime.handlers(imports), **(handlers or {})}
    return Machine([image], known, runtime.objects(imports), max_instructions=100_000)


CALL_IMPORT = "ff 15 fa 0f 00 00 c3"  # call [rip + 0xffa] = GOT; ret


def test_a_function_runs_and_returns() -> None:
    assert machine("48 8d 04 37 c3").call(SLIDE, 2, 3) == 5  # lea rax, [rdi + rsi]; ret


def test_an_import_is_answered() -> None:
    m = machine(CALL_IMPORT, ("strlen",))
    assert m.call(SLIDE, m.put(b"kernel\0")) == 6


def test_an_unknown_import_answers_zero() -> None:
    assert machine(CALL_IMPORT, ("launch_missiles",)).call(SLIDE, 7) == 0


def test_what_runs_once_runs() -> None:
    # call [rip + 0xffa] = GOT; ret; at 16: lea rax, [rdi + 1]; ret
    m = machine(CALL_IMPORT + "90" * 9 + "48 8d 47 01 c3", ("dispatch_once_f",))
    predicate = m.alloc(8)
    assert m.call(SLIDE, predicate, 41, SLIDE + 16) == 42
    assert m.call(SLIDE, predicate, 41, SLIDE + 16) == 0
    with pytest.raises(Fault, match="UNMAPPED"):
        m.call(SLIDE, m.alloc(8), 0, 0xDEAD0000)


@pytest.mark.parametrize(("macos", "answer"), [("12.3", 1), ("12.2", 0), ("13", 1)])
def test_a_check_for_macos_is_answered_and_noted(macos: str, answer: int) -> None:
    gates = Gates(Version(macos))
    m = machine(CALL_IMPORT, ("dlsym",), gates.handlers())
    assert m.call(SLIDE, 0, m.put(b"launch_missiles\0")) == 0
    check = m.call(SLIDE, 0, m.put(b"_availability_version_check\0"))
    ios_15_4_or_macos_12_3 = m.put(struct.pack("<4I", 2, 0xF0400, 1, 0xC0300))
    assert m.call(check, 2, ios_15_4_or_macos_12_3) == answer
    assert gates.asked == {Version("12.3")}


def test_the_library_can_be_called_again_after_a_fault() -> None:
    m = machine("48 8b 07 c3")  # mov rax, [rdi]; ret
    with pytest.raises(Fault, match="UNMAPPED"):
        m.call(SLIDE, 0)
    assert m.call(SLIDE, m.put(b"\x2a" + bytes(7))) == 42


@pytest.mark.parametrize(
    ("code", "imports", "argument", "reason"),
    [
        ("eb fe", (), 0, "100000 instructions"),
        ("0f 0b", (), 0, "at 0x"),  # an illegal instruction
        ("ff e7", (), 0xDEAD0000, "UNMAPPED"),  # a jump into nowhere
        ("0f 05 eb fe", (), 0, "."),  # a system call: there is no system
        (CALL_IMPORT, ("malloc",), 1 << 40, "allocates more than 512 MB"),
        (CALL_IMPORT, ("strlen",), 16, "bad pointer to strlen"),
        (CALL_IMPORT, ("abort",), 0, "aborted"),
        (CALL_IMPORT, ("TF_RegisterKernelBuilder",), 0, "never made"),
    ],
)
def test_what_cannot_go_on_stops(
    code: str, imports: tuple[str, ...], argument: int, reason: str
) -> None:
    m = machine(code, imports, Recorder("plugin").handlers(imports))
    with pytest.raises(Fault, match=reason):
        m.call(SLIDE, argument)


def test_endless_calls_of_the_system_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opcheck.extract.machine._CALL_LIMIT", 100)
    m = machine("ff 15 fa 0f 00 00 eb f8", ("free",))
    with pytest.raises(Fault, match="more than 100 times"):
        m.call(SLIDE)


def test_any_number_of_functions_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    m = machine("c3")
    m.call(SLIDE)
    monkeypatch.setattr("opcheck.extract.machine._CPU_SECONDS", -1)
    with pytest.raises(ExtractError, match=r"made-up\.so ran for more than"):
        m.call(SLIDE)


def test_a_plugin_that_tells_every_macos_apart_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless:
        """It looks for the macOS after the one that it is run on."""

        kernels = ()

        def __init__(self, _image: object, gates: Gates) -> None:
            self.gates = gates

        def init_kernels(self) -> None:
            self.gates.asked.add(Version(str(self.gates.macos.major + 1)))

    monkeypatch.setattr(plugin, "_Run", Endless)
    full = Endless(None, Gates())
    with pytest.raises(ExtractError, match="more than 16 versions of macOS"):
        plugin._on_every_system(None, full, Version("11"))


def test_a_library_that_asks_for_all_memory_is_refused() -> None:
    image = Image(
        path=Path("huge.so"), arch="x86_64", container="elf", slide=SLIDE,
        segments=(Segment(SLIDE, 1 << 60, b"\xc3"),), pointers=(), imports=(),
        symbols={}, local={}, initializers=(),
    )  # fmt: skip
    with pytest.raises(ExtractError, match=r"huge\.so"):
        Machine([image], {}, {})


def test_what_is_no_library_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a library")
    with pytest.raises(ExtractError, match="not a shared library"):
        load(text)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("magic", [b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"MZ"])
def test_what_is_damaged_is_refused(magic: bytes, tmp_path: Path) -> None:
    library = tmp_path / "broken.so"
    library.write_bytes(magic + b"\x02\x01\x01" + bytes(40) + b"\xff" * 80)
    with pytest.raises(ExtractError, match=r"broken\.so"):
        extract_plugin(library)


def test_a_library_that_is_no_plugin_is_refused() -> None:
    with pytest.raises(ExtractError, match="no TF_InitKernel"):
        extract_plugin(Path(msgspec._core.__file__))
