"""``opcheck targets``: every known target and where its data came from."""

from __future__ import annotations

import argparse

from opcheck.cli.parser import Subparsers
from opcheck.formats.output import STDOUT, write

NAME = "targets"


def add(subparsers: Subparsers) -> None:
    text = "List the known targets, newest first, with where their data came from."
    subparsers.add_parser(NAME, help="list the known targets", description=text)


def run(arguments: argparse.Namespace) -> int:  # noqa: ARG001 - it takes none
    from tabulate import tabulate

    from opcheck.rules.versions import supported_words
    from opcheck.targets import known_targets
    from opcheck.targets.index import sources

    known = known_targets()
    rows = [
        (
            target.label,
            target.arch or "any",
            ", ".join(f"{version}+" for version in target.os_versions) or "-",
            supported_words(target.tensorflow_supported),
            " or ".join(sorted({str(pairing.keras_major) for pairing in target.pairings})),
        )
        for target in known
    ]
    headers = ("target", "arch", "macOS", "TensorFlow", "Keras")
    lines = tabulate(rows, headers, tablefmt="simple", disable_numparse=True).splitlines()
    lines += ["", "Recovered from"]
    names = [target.registry for target in known]
    names += sorted({pairing.core for target in known for pairing in target.pairings})
    for name in names:
        for origin in sources(name):
            lines.append(f"  {name}: {origin.kernels} kernels of {origin.ops} ops")
            lines.append(f"    {origin.wheel}, {origin.member}")
            lines.append(f"    sha256 {origin.sha256}, {origin.method}")
    write("\n".join(lines) + "\n", STDOUT)
    return 0
