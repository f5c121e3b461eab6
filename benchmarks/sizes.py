"""How much disk an installation takes: what a run and its analysis need, and what each extra adds to it.

    python -m benchmarks.sizes

What belongs together is read off the requirements of the packages that are installed, each with its own in turn. Their
files are counted as they lie on the disk, once with the bytecode that pip compiles and once without. An extra adds only
what the base does not have. What is not installed is named.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks.command_line import command_line
from benchmarks.smallest import HELP

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Size:
    """What some packages take."""

    packages: int
    bytes: int
    bytecode: int

    def row(self) -> dict[str, float]:
        """Packages, and megabytes of 10^6 bytes."""
        return {
            "packages": self.packages,
            "megabytes": round((self.bytes + self.bytecode) / 1e6),
            "without_bytecode": round(self.bytes / 1e6),
        }


def needed(names: Iterable[str], missing: set[str]) -> dict[str, Distribution]:
    """The installed packages that some requirements need, and all that these need, by name."""
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(name) for name in names]
    while waiting:
        requirement = waiting.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            missing.add(name)
            continue
        for line in found[name].requires or ():
            wanted = Requirement(line)
            if wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in extras | {""}):
                waiting.append(wanted)
    return found


def size(packages: Iterable[Distribution]) -> Size:
    """What the files of some packages take."""
    counted = list(packages)
    sizes = [one for package in counted for one in _files(package)]
    whole = sum(of for _, of in sizes)
    bytecode = sum(of for compiled, of in sizes if compiled)
    return Size(len(counted), whole - bytecode, bytecode)


def _files(package: Distribution) -> Iterator[tuple[bool, int]]:
    """Of every file of a package whether it is bytecode, and its size."""
    for file in package.files or ():
        path = Path(str(package.locate_file(file)))
        if path.is_file():
            yield path.suffix == ".pyc", path.stat().st_size


def measure(requirements: list[str], extras: dict[str, list[str]]) -> dict[str, object]:
    """The base, torch's share of it, its largest packages, and what each extra adds."""
    missing: set[str] = set()
    base = needed(requirements, missing)
    largest = sorted(base, key=lambda name: size([base[name]]).row()["megabytes"], reverse=True)[:8]
    return {
        "base": size(base.values()).row(),
        "largest": {name: size([base[name]]).row()["megabytes"] for name in largest},
        "added": {
            extra: size(one for name, one in needed(wanted, missing).items() if name not in base).row()
            for extra, wanted in extras.items()
        },
        "not_installed": sorted(missing),
    }


def main() -> None:
    parser = command_line(__doc__, smallest=f"numpy in place of the package; {HELP}")
    options = parser.parse_args()
    if options.smallest:
        print(json.dumps(measure(["numpy"], {"more": ["pandas"]}), indent=2))
        return
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    print(json.dumps(measure(project["dependencies"], flat(project["optional-dependencies"])), indent=2))


def flat(extras: dict[str, list[str]]) -> dict[str, list[str]]:
    """The extras of the project, with those that they name of the project itself written out."""

    def written(extra: str) -> list[str]:
        out = []
        for line in extras[extra]:
            requirement = Requirement(line)
            own = requirement.name == "grokscope"
            out += [each for name in sorted(requirement.extras) for each in written(name)] if own else [line]
        return out

    return {extra: written(extra) for extra in extras}


if __name__ == "__main__":
    main()
