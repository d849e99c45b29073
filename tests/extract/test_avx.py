"""The emulated vector unit against this CPU: same instruction, same state, same result."""

from __future__ import annotations

import ctypes
import mmap
import platform
import random
import struct
from pathlib import Path

import pytest

unicorn = pytest.importorskip("unicorn")
from unicorn import x86_const as x86  # noqa: E402

from opcheck.extract.avx import Avx  # noqa: E402

CODE, DATA = 0x10000, 0x12000
GENERAL = ("RAX", "RCX", "RDX", "R9", "R10", "R11")
COMPARE_FLAGS = 0x8D5
INSTRUCTIONS = """
vmovups (%rsi),%ymm0  c5fc1006
vmovups %ymm1,0x20(%rsi)  c5fc114e20
vmovups %xmm1,0x30(%rsi)  c5f8114e30
vmovups 0x10(%rsi),%xmm9  c578104e10
vmovaps %ymm1,%ymm2  c5fc28d1
vmovdqu %ymm1,%ymm12  c57e6fe1
vmovdqu (%rsi,%rcx,2),%ymm2  c5fe6f144e
vmovdqu 0x40(%rsi,%rcx,1),%xmm3  c5fa6f5c0e40
vmovdqa %xmm2,(%rsi)  c5f97f16
vmovdqu %xmm2,0x11(%rsi)  c5fa7f5611
vpxor %xmm1,%xmm2,%xmm3  c5e9efd9
vpxor %ymm1,%ymm2,%ymm3  c5edefd9
vxorps %ymm0,%ymm0,%ymm0  c5fc57c0
vxorps %xmm0,%xmm0,%xmm0  c5f857c0
vpand 0x20(%rsi),%ymm2,%ymm3  c5eddb5e20
vpandn %ymm1,%ymm2,%ymm3  c5eddfd9
vpor %ymm1,%ymm2,%ymm13  c56debe9
vpcmpeqb %xmm1,%xmm2,%xmm2  c5e974d1
vpcmpeqb %xmm2,%xmm1,%xmm2  c5f174d2
vpcmpeqb (%rsi),%ymm2,%ymm2  c5ed7416
vpmovmskb %xmm1,%eax  c5f9d7c1
vpmovmskb %xmm1,%r9d  c579d7c9
vmovmskps %xmm1,%eax  c5f850c1
vmovq %xmm1,%rax  c4e1f97ec8
vmovq %xmm1,%r10  c4c1f97eca
vmovq %rdx,%xmm4  c4e1f96ee2
vmovd %edx,%xmm4  c5f96ee2
vmovd %xmm4,%edx  c5f97ee2
vmovq (%rsi),%xmm5  c5fa7e2e
vmovq %xmm5,(%rsi)  c5f9d62e
vmovq %xmm5,%xmm6  c5fa7ef5
vmovd (%rsi),%xmm5  c5f96e2e
vmovd %xmm5,(%rsi)  c5f97e2e
vmovss (%rsi),%xmm1  c5fa100e
vmovsd (%rsi),%xmm1  c5fb100e
vmovss %xmm1,(%rsi)  c5fa110e
vmovsd %xmm1,0x8(%rsi)  c5fb114e08
vmovss %xmm1,%xmm2,%xmm3  c5ea10d9
vmovsd %xmm1,%xmm2,%xmm3  c5eb10d9
vmovhps (%rsi),%xmm1,%xmm2  c5f01616
vmovlps (%rsi),%xmm1,%xmm2  c5f01216
vmovhps %xmm1,(%rsi)  c5f8170e
vmovlps %xmm1,(%rsi)  c5f8130e
vmovhlps %xmm1,%xmm2,%xmm3  c5e812d9
vmovlhps %xmm1,%xmm2,%xmm3  c5e816d9
vpunpcklqdq %xmm1,%xmm2,%xmm3  c5e96cd9
vpunpckhqdq %ymm1,%ymm2,%ymm3  c5ed6dd9
vunpcklps %ymm1,%ymm2,%ymm3  c5ec14d9
vpshufd $0x4e,%xmm1,%xmm2  c5f970d14e
vpshufd $0x1b,(%rsi),%ymm2  c5fd70161b
vshufps $0x4e,%ymm1,%ymm2,%ymm3  c5ecc6d94e
vpshufb %ymm1,%ymm2,%ymm3  c4e26d00d9
vpermilps $0x4e,%xmm1,%xmm2  c4e37904d14e
vpalignr $0x3,%ymm1,%ymm2,%ymm3  c4e36d0fd903
vpblendw $0x55,%ymm1,%ymm2,%ymm3  c4e36d0ed955
vinsertf128 $0x1,(%rsi),%ymm1,%ymm2  c4e375181601
vinsertf128 $0x0,%xmm3,%ymm1,%ymm2  c4e37518d300
vinserti128 $0x1,%xmm3,%ymm1,%ymm2  c4e37538d301
vextractf128 $0x1,%ymm1,%xmm2  c4e37d19ca01
vextractf128 $0x1,%ymm1,(%rsi)  c4e37d190e01
vextracti128 $0x1,%ymm1,%xmm2  c4e37d39ca01
vperm2f128 $0x31,%ymm1,%ymm2,%ymm3  c4e36d06d931
vperm2i128 $0x82,%ymm1,%ymm2,%ymm3  c4e36d46d982
vbroadcastss (%rsi),%ymm1  c4e27d180e
vbroadcastsd (%rsi),%ymm1  c4e27d190e
vbroadcastf128 (%rsi),%ymm1  c4e27d1a0e
vpbroadcastb %xmm1,%xmm2  c4e27978d1
vpbroadcastd %xmm1,%ymm2  c4e27d58d1
vpbroadcastq %xmm1,%xmm2  c4e27959d1
vpbroadcastw (%rsi),%ymm2  c4e27d7916
vcvtsi2sd %rdx,%xmm1,%xmm2  c4e1f32ad2
vcvtsi2sd %edx,%xmm1,%xmm2  c5f32ad2
vcvtsi2ss %rdx,%xmm1,%xmm2  c4e1f22ad2
vcvtsi2sdq (%rsi),%xmm1,%xmm2  c4e1f32a16
vcvttsd2si %xmm8,%rax  c4c1fb2cc0
vcvttsd2si %xmm8,%r9  c441fb2cc8
vcvttss2si (%rsi),%eax  c5fa2c06
vcvtss2sd %xmm8,%xmm2,%xmm3  c4c16a5ad8
vcvtsd2ss %xmm8,%xmm2,%xmm3  c4c16b5ad8
vaddss %xmm8,%xmm9,%xmm3  c4c13258d8
vaddsd %xmm8,%xmm9,%xmm3  c4c13358d8
vmulsd %xmm8,%xmm9,%xmm8  c4413359c0
vmulsd %xmm8,%xmm9,%xmm9  c4413359c8
vsubsd %xmm8,%xmm9,%xmm8  c441335cc0
vdivsd %xmm8,%xmm9,%xmm1  c4c1335ec8
vmaxsd %xmm8,%xmm9,%xmm1  c4c1335fc8
vsqrtsd %xmm8,%xmm9,%xmm1  c4c13351c8
vaddps %ymm1,%ymm2,%ymm3  c5ec58d9
vaddpd (%rsi),%ymm2,%ymm3  c5ed581e
vroundsd $0xa,%xmm8,%xmm9,%xmm1  c4c3310bc80a
vucomisd %xmm8,%xmm9  c441792ec8
vucomiss %xmm9,%xmm8  c441782ec1
vcomisd (%rsi),%xmm9  c5792f0e
vcmpltsd %xmm8,%xmm9,%xmm1  c4c133c2c801
vpaddq %ymm1,%ymm2,%ymm3  c5edd4d9
vpaddd %xmm1,%xmm2,%xmm3  c5e9fed9
vpsubb %xmm1,%xmm2,%xmm1  c5e9f8c9
vpmuludq %xmm1,%xmm2,%xmm1  c5e9f4c9
vpsllq $0x3,%ymm1,%ymm2  c5ed73f103
vpsrldq $0x3,%xmm1,%xmm2  c5e973d903
vpsrad $0x3,%xmm1,%xmm1  c5f172e103
vpsllq %xmm1,%xmm2,%xmm3  c5e9f3d9
vpextrq $0x1,%xmm1,%rax  c4e3f916c801
vpextrq $0x1,%xmm1,%r11  c4c3f916cb01
vpextrd $0x1,%xmm1,%eax  c4e37916c801
vpextrd $0x3,%xmm1,(%rsi)  c4e379160e03
vpextrb $0x5,%xmm1,(%rsi)  c4e379140e05
vpextrw $0x3,%xmm1,%eax  c5f9c5c103
vpinsrq $0x1,%rdx,%xmm1,%xmm2  c4e3f122d201
vpinsrd $0x1,%edx,%xmm1,%xmm2  c4e37122d201
vpinsrq $0x0,(%rsi),%xmm1,%xmm2  c4e3f1221600
vpinsrb $0x7,%edx,%xmm1,%xmm2  c4e37120d207
vpinsrw $0x7,%edx,%xmm1,%xmm2  c5f1c4d207
vptest %xmm1,%xmm2  c4e27917d1
vptest %ymm1,%ymm2  c4e27d17d1
vptest %ymm1,%ymm1  c4e27d17c9
vptest (%rsi),%ymm2  c4e27d1716
vxorps %xmm0,%xmm0,%xmm0; vptest %ymm0,%ymm0  c5f857c0c4e27d17c0
vmovdqa %xmm1,%xmm2; vptest %ymm2,%ymm2  c5f96fd1c4e27d17d2
vxorps %xmm0,%xmm0,%xmm0; vinsertf128; vptest %ymm1,%ymm1  c5f857c0c4e37518c800c4e27d17c9
vpmovzxbw %xmm1,%xmm2  c4e27930d1
vpmovsxdq (%rsi),%xmm2  c4e2792516
vcvtdq2ps %ymm1,%ymm2  c5fc5bd1
vcvtdq2pd %xmm1,%xmm2  c5fae6d1
vhaddps %ymm1,%ymm2,%ymm3  c5ef7cd9
vpabsd %ymm1,%ymm2  c4e27d1ed1
vpminud %ymm1,%ymm2,%ymm3  c4e26d3bd9
vmovntdq %ymm1,(%rsi)  c5fde70e
vlddqu (%rsi),%ymm1  c5fff00e
vmovddup %xmm1,%xmm2  c5fb12d1
vmovshdup %ymm1,%ymm2  c5fe16d1
vandnpd %ymm1,%ymm2,%ymm3  c5ed55d9
vmovupd %ymm8,%ymm3  c57d11c3
movups (%rsi),%xmm0  0f1006
movups %xmm1,0x3(%rsi)  0f114e03
movaps %xmm1,%xmm9  440f28c9
movdqu %xmm1,(%rsi,%rcx,4)  f30f7f0c8e
pxor %xmm1,%xmm2  660fefd1
xorps %xmm0,%xmm0  0f57c0
movq %xmm1,%rax  66480f7ec8
movq %rdx,%xmm9  664c0f6eca
movd %edx,%xmm1  660f6eca
movq (%rsi),%xmm2  f30f7e16
movq %xmm2,0x8(%rsi)  660fd65608
movss (%rsi),%xmm2  f30f1016
movss %xmm1,%xmm2  f30f10d1
movsd %xmm1,(%rsi)  f20f110e
movhps (%rsi),%xmm2  0f1616
movhps %xmm2,(%rsi)  0f1716
punpcklqdq %xmm1,%xmm2  660f6cd1
cvtsi2sd %rdx,%xmm2  f2480f2ad2
cvtsi2ss %edx,%xmm2  f30f2ad2
cvttsd2si %xmm8,%rax  f2490f2cc0
ucomisd %xmm8,%xmm9  66450f2ec8
addsd %xmm8,%xmm9  f2450f58c8
mulss (%rsi),%xmm9  f3440f590e
pcmpeqb %xmm1,%xmm2  660f74d1
pmovmskb %xmm1,%edx  660fd7d1
psrldq $0x8,%xmm1  660f73d908
pslld $0x3,%xmm9  66410f72f103
pshufd $0xee,%xmm1,%xmm2  660f70d1ee
pextrq $0x1,%xmm1,%rdx  66480f3a16ca01
pinsrq $0x1,%rdx,%xmm1  66480f3a22ca01
pshufb %xmm1,%xmm2  660f3800d1
shufps $0x44,%xmm1,%xmm2  0fc6d144
shlx %rcx,%rax,%rdx  c4e2f1f7d0
shlx %r9d,%r10d,%eax  c4c231f7c2
shlx %rdx,(%rsi),%r11  c462e9f71e
shlx %edx,0x8(%rsi),%ecx  c4e269f74e08
shrx %rcx,%rax,%rdx  c4e2f3f7d0
andn %rcx,%rax,%rdx  c4e2f8f2d1
vpermilps $0x93,%ymm1,%ymm2  c4e37d04d193
vpermilps $0x93,(%rsi),%xmm2  c4e379041693
vpermilpd $0x9,%ymm1,%ymm2  c4e37d05d109
vpermilpd $0x1,%xmm1,%xmm2  c4e37905d101
"""
CASES = [tuple(line.split("  ")) for line in INSTRUCTIONS.strip().splitlines()]


def _has_avx2() -> bool:
    cpuinfo = Path("/proc/cpuinfo")
    return platform.machine() == "x86_64" and cpuinfo.exists() and " avx2 " in cpuinfo.read_text()


@pytest.mark.skipif(not _has_avx2(), reason="runs the instructions on a CPU with AVX2")
@pytest.mark.parametrize(("text", "code"), CASES, ids=[text for text, _ in CASES])
def test_as_this_cpu(text: str, code: str) -> None:
    rng = random.Random(code)
    for _ in range(3):
        vectors, memory = bytearray(rng.randbytes(512)), rng.randbytes(256)
        for number in (8, 9):  # what is converted and computed with are ordinary numbers
            vectors[32 * number : 32 * number + 8] = struct.pack("<d", rng.uniform(-5, 5))
        general = [rng.getrandbits(64), 8] + [rng.getrandbits(64) for _ in range(4)]
        state = bytes(vectors) + struct.pack("<6Q", *general)
        ours, theirs = _emulated(bytes.fromhex(code), state, memory), _native(code, state, memory)
        assert ours[:2] == theirs[:2]
        if "comi" in text or "test" in text:
            assert (ours[2] ^ theirs[2]) & COMPARE_FLAGS == 0


@pytest.mark.parametrize("code", ["c4e2719801", "62f17c4858c1", "0f0b"])
def test_what_is_not_emulated_stops_the_run(code: str) -> None:
    """FMA, AVX-512, UD2."""
    with pytest.raises(unicorn.UcError, match="Invalid instruction"):
        _emulated(bytes.fromhex(code), bytes(560), bytes(256))


def _emulated(code: bytes, state: bytes, memory: bytes) -> tuple[bytes, bytes, int]:
    uc = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
    uc.mem_map(CODE, 0x3000)
    uc.mem_write(CODE, code)
    uc.mem_write(DATA, memory)
    Avx(uc)
    vectors = [getattr(x86, f"UC_X86_REG_YMM{n}") for n in range(16)]
    registers = [getattr(x86, f"UC_X86_REG_{name}") for name in GENERAL]
    for n, register in enumerate(vectors):
        uc.reg_write(register, int.from_bytes(state[32 * n : 32 * n + 32], "little"))
    for register, value in zip(registers, struct.unpack("<6Q", state[512:]), strict=True):
        uc.reg_write(register, value)
    uc.reg_write(x86.UC_X86_REG_RSI, DATA)
    uc.emu_start(CODE, CODE + len(code))
    after = b"".join(uc.reg_read(r).to_bytes(32, "little") for r in vectors)
    after += struct.pack("<6Q", *map(uc.reg_read, registers))
    return after, bytes(uc.mem_read(DATA, len(memory))), uc.reg_read(x86.UC_X86_REG_EFLAGS)


def _native(code: str, state: bytes, memory: bytes) -> tuple[bytes, bytes, int]:
    """A function of (state, memory): load everything, ``code``, store everything."""
    buffer = ctypes.create_string_buffer(state, len(state) + 8)
    data = mmap.mmap(-1, 4096)  # aligned: some stores insist on it
    data.write(memory)
    program = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    save_flags = bytes.fromhex("9c58488987") + struct.pack("<i", len(state))
    leave = bytes.fromhex("c5f877c3")
    program.write(_moves(False) + bytes.fromhex(code) + _moves(True) + save_flags + leave)
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(_address(program))
    function(ctypes.addressof(buffer), _address(data))
    after = buffer.raw
    return after[:-8], data[: len(memory)], int.from_bytes(after[-8:], "little")


def _moves(store: bool) -> bytes:
    """VMOVUPS of each vector register and MOV of each general one, from or to [rdi]."""
    code = b""
    for n in range(16):
        code += bytes([0xC5, 0x7C | (0 if n > 7 else 0x80), 0x10 | store, 0x87 | (n & 7) << 3])
        code += struct.pack("<i", 32 * n)
    for index, (number, rex) in enumerate(zip((0, 1, 2, 1, 2, 3), "HHHLLL", strict=True)):
        code += rex.encode() + bytes([0x89 if store else 0x8B, 0x87 | number << 3])
        code += struct.pack("<i", 512 + 8 * index)
    return code


def _address(memory: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))
