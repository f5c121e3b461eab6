"""A page per package: what it says of itself, and every public name, with signature, shapes and docstring."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from functools import cache
from importlib import import_module
from pkgutil import walk_packages
from types import ModuleType

import grokscope
from docs_site.declared import own_analyses, own_plates
from docs_site.docstrings import as_markdown, first_line
from docs_site.pages import Group, Page, table
from grokscope.analysis import analyses

TOP = "grokscope"


@cache
def packages() -> tuple[str, ...]:
    """The package and all of its subpackages."""
    inner = [found.name for found in walk_packages(grokscope.__path__, f"{TOP}.") if found.ispkg]
    return (TOP, *inner)


@cache
def public_names(package: str) -> tuple[str, ...]:
    """The public names of a package, but for its modules: those of `__all__`, and where it has none, of no stub."""
    module = import_module(package)
    names = getattr(module, "__all__", None)
    if names is None:
        # `grokscope.analysis` answers for every analysis, and lists all in `dir`, those of others too.
        foreign = analyses().keys() - own_analyses().keys()
        names = [name for name in dir(module) if name not in foreign] if "__dir__" in vars(module) else []
    return tuple(name for name in names if not name.startswith("_") and not _is_room(module, name))


def _is_room(module: ModuleType, name: str) -> bool:
    return inspect.ismodule(getattr(module, name))


def described_at(package: str, name: str) -> str:
    """The anchor at which a public name is described, on whichever page that is."""
    full = f"{package}.{name}"
    value = getattr(import_module(package), name)
    if package == "grokscope.analysis" and name in own_analyses():
        return f"grokscope.analysis.{name}"
    home = home_of(package, name)
    if home == "grokscope.figures" and any(plate.figure is value for plate in own_plates().values()):
        return f"{value.__module__}.{name}"
    return full if home == package else f"{home}.{name}"


@cache
def home_of(package: str, name: str) -> str:
    """The package on whose page a public name is described.

    It is the innermost that has the object among its public names and that its module is in; or this package.
    """
    value = getattr(import_module(package), name)
    if not hasattr(value, "__qualname__"):
        candidates = [one for one in packages() if one != TOP and _has(one, name, value)]
        return candidates[0] if package == TOP and candidates else package
    module = str(getattr(value, "__module__", ""))
    inside = [one for one in packages() if one != TOP and f"{module}.".startswith(f"{one}.") and _has(one, name, value)]
    return max(inside, key=len, default=package)


def _has(package: str, name: str, value: object) -> bool:
    return name in public_names(package) and getattr(import_module(package), name) is value


def page_path(package: str) -> str:
    """The page of a package."""
    return f"api/{package}.md"


def api_pages() -> Group:
    """An index of all packages, and the page of each."""
    rows = [
        (
            f"[`{package}`]({package}.md)",
            str(len(public_names(package)) or ""),
            first_line(import_module(package).__doc__),
        )
        for package in packages()
    ]
    index = (
        "# Packages\n\nEvery public name of the package, with its signature and the shapes of its arrays: "
        '`Float[Tensor, "checkpoint frequency"]` is a tensor of floating-point numbers with these two axes. Names that '
        "`import grokscope as gs` has are on the page of [`grokscope`](grokscope.md).\n\n"
        f"{table(('package', 'public names', 'what it is'), rows)}\n"
    )
    pages = tuple(
        Page(page_path(package), package.removeprefix(f"{TOP}."), package_text(package)) for package in packages()
    )
    return Group("API", (Page("api/index.md", "All packages", index), *pages))


def package_text(package: str) -> str:
    """The page of a package, in Markdown: its own names in full, and those that are described elsewhere as links."""
    parts = [f"# {package}", as_markdown(inspect.cleandoc(import_module(package).__doc__ or ""))]
    names = public_names(package)
    elsewhere = [
        name for name in names if described_at(package, name) != f"{package}.{name}" or _has_page(package, name)
    ]
    if elsewhere:
        parts.append(table(("name", "what it is"), [_row(package, name) for name in elsewhere]))
    parts += [f"::: {package}.{name}" for name in names if name not in elsewhere]
    return "\n\n".join(parts) + "\n"


def _has_page(package: str, name: str) -> bool:
    return package == "grokscope.analysis" and name in own_analyses()


def _row(package: str, name: str) -> tuple[str, str]:
    """A name that is described on another page. It can be linked to here too."""
    anchor, target = f"{package}.{name}", described_at(package, name)
    mark = "" if anchor == target else f'<span id="{anchor}"></span>'
    value = getattr(import_module(package), name)
    documented = inspect.isroutine(value) or inspect.isclass(value) or _has_page(package, name)
    said = first_line(inspect.getdoc(getattr(value, "source", value))) if documented else ""
    return f"{mark}[`{name}`][{target}]", said


def missing_names(anchors: Collection[str]) -> list[str]:
    """Public names that no page has an anchor for, a sentence each."""
    names = [f"{package}.{name}" for package in packages() for name in public_names(package)]
    return [f"{name} is public, and on no page" for name in names if name not in anchors]
