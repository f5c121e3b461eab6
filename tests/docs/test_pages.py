"""Pages of the site: docstrings, links, help pages and notebooks as Markdown."""

from __future__ import annotations

import json
import re

import griffe
import pytest

from docs_site.commands import Option, command_pages, help_page, printed_help, read_help
from docs_site.docstrings import as_markdown, escaped
from docs_site.links import on_site
from docs_site.notebooks import notebook_page, notebook_pages
from docs_site.pages import code, fenced, table
from docs_site.settings import presets_page, settings_page, takes
from grokscope.cli.app import COMMANDS
from grokscope.config import field_names, presets


def test_markup_in_prose_stands_for_itself_and_code_is_left_alone():
    assert escaped("a * b, <NA> and `x <- [y]`") == r"a \* b, &lt;NA&gt; and `x <- [y]`".replace("&gt;", ">")
    assert as_markdown("Formula:\n\n    w <- w * a\n\nw <- w") == "Formula:\n\n    w <- w * a\n\nw &lt;- w"


def test_a_list_of_names_becomes_a_table_and_other_columns_stay_as_they_are():
    listed = as_markdown("first      what it is\nsecond, third\n           is no list")
    assert listed.startswith("```")
    listed = as_markdown("first   what it is,\n        and more\nlast, least  others | too")
    assert listed == table(
        ("name", "what it is"), [("`first`", "what it is, and more"), ("`last`, `least`", "others | too")]
    )
    code_block = "tables = run_all(run)    # every analysis"
    assert as_markdown(code_block) == fenced(code_block)
    assert as_markdown("Args:\n    run:  a run\n    step: of it") == "Args:\n    run:  a run\n    step: of it"


def test_a_cell_of_a_table_cannot_end_the_cell():
    assert table(("a",), [("x | y\nz",)]).splitlines()[-1] == "| x &#124; y z |"
    assert code("{None}|STR <a>") == "<code>{None}&#124;<wbr>STR &lt;a&gt;</code>"
    assert fenced("```sh\nls\n```").startswith("````")


@pytest.fixture
def repository(tmp_path):
    for name in ("README.md", "docs/guide.md", "docs/more/page.md", "notes/README.md", "tables/a.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return tmp_path


PAGES = {"README.md": "index.md", "docs/guide.md": "guide.md", "notes/README.md": "notes/index.md"}


def test_links_of_the_repository_become_links_of_the_site(repository):
    text = "[a](../README.md#x) [b](../notes/) ![c](../tables/a.csv) [d](https://e.org) [e](#here) `[f](no.md)`"
    changed, files = on_site(text, "docs/guide.md", "deep/guide.md", PAGES, repository)
    assert changed == (
        "[a](../index.md#x) [b](../notes/index.md) ![c](../tables/a.csv) [d](https://e.org) [e](#here) `[f](no.md)`"
    )
    assert files == {"tables/a.csv": repository / "tables" / "a.csv"}


def test_a_link_to_nothing_is_named(repository):
    with pytest.raises(ValueError, match=r"docs/guide.md links to gone.md, and there is no file docs/gone.md"):
        on_site("[a](gone.md)", "docs/guide.md", "guide.md", PAGES, repository)


HELP = """usage: grokscope thing [-h] [OPTIONS]

What it
does.

╭─ options ─────────────────────╮
│ -h, --help                    │
│       show this               │
│ --long {a,b,                  │
│ c}                            │
│       Says what               │
│       it is. (default: a)     │
│ --short INT  At once. (required) │
╰───────────────────────────────╯
╭─ task options ────────────────╮
│ Which task.                   │
│ ───────────────────────────── │
│ --task.name STR               │
│       (default: mul)          │
╰───────────────────────────────╯
Below.
"""


def test_a_help_page_is_read_as_it_is_printed():
    page = read_help(HELP)
    assert (page.usage, page.text, page.rest) == ("grokscope thing [-h] [OPTIONS]", "What it\ndoes.", "Below.")
    assert [(box.title, box.text) for box in page.boxes] == [("options", ""), ("task options", "Which task.")]
    assert page.boxes[0].options == (
        Option("-h, --help", "show this", ""),
        Option("--long {a,b, c}", "Says what it is.", "a"),
        Option("--short INT", "At once.", "required"),
    )
    assert page.boxes[1].options == (Option("--task.name STR", "", "mul"),)
    with pytest.raises(ValueError, match="no boxes"):
        read_help("usage: grokscope")


def test_every_option_of_every_command_is_on_its_page():
    pages = {page.path: page.text for page in command_pages()}
    settings = settings_page().text
    for name in COMMANDS:
        text = pages[f"commands/{name}.md"]
        # The words of the help page that begin with dashes, in whichever box or sentence they stand.
        for option in set(re.findall(r"(?<![\w-])--[a-z][\w.-]*[a-z]", printed_help(name, "--help"))) - {"--help"}:
            assert option in text or option in settings, f"{name} {option}"
        assert help_page(name).usage in text


def test_every_setting_and_every_preset_is_on_its_page():
    settings, listed = settings_page().text, presets_page().text
    assert [name for name in field_names() if f"--{name.replace('_', '-')}</code>" not in settings] == []
    assert [name for name in presets() if f"### {name} {{ #{name} }}" not in listed] == []
    assert takes(tuple[int, ...] | None) == "INTEGER ...|none"


def test_a_notebook_is_shown_with_its_outputs(tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    path = folder / "01_first.ipynb"
    outputs = [
        {"output_type": "stream", "text": ["\x1b[1m<one>\x1b[0m\n"]},
        {"output_type": "execute_result", "data": {"text/html": ["<style>x</style>\n<table>\n\n</table>"]}},
        {"output_type": "display_data", "data": {"image/png": "aGVsbG8=", "text/plain": ["<Figure>"]}},
    ]
    cells = [
        {"cell_type": "markdown", "source": ["# A title\n", "and [itself](01_first.ipynb)"]},
        {"cell_type": "code", "source": ["print(1)"], "outputs": outputs},
    ]
    path.write_text(json.dumps({"cells": cells}))
    page = notebook_page(path, {"notebooks/01_first.ipynb": "notebooks/01_first.md"}, tmp_path)
    assert (page.title, page.files) == ("A title", {"notebooks/01_first-1-2.png": b"hello"})
    for part in ("[itself](01_first.md)", "```python\nprint(1)\n```", "&lt;one&gt;</pre>", "<table>\n</table>"):
        assert part in page.text, part
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "source": ["1"], "outputs": []}]}))
    with pytest.raises(ValueError, match="has no outputs"):
        notebook_page(path, {}, tmp_path)


def test_every_notebook_of_the_repository_is_a_page():
    from docs_site.assemble import sources

    assert len(notebook_pages(sources())) == len([name for name in sources() if name.endswith(".ipynb")]) >= 7


def test_shapes_are_shown_as_they_are_written(tmp_path):
    (tmp_path / "shaped.py").write_text(
        '"""Shapes."""\n\n'
        "from jaxtyping import Float\nfrom torch import Tensor\n\n\n"
        "class Box:\n"
        '    """A box."""\n\n'
        '    side: Float[Tensor, " x"]\n    """Of it: w <- w."""\n\n'
        "    @property\n"
        '    def area(self) -> Float[Tensor, "x y"]:\n'
        '        """Its area."""\n\n\n'
        'def scaled(box: "Box", by: Float[Tensor, "draw"] | None) -> Float[Tensor, "draw x"]:\n'
        '    """Scaled."""\n'
    )
    extensions = griffe.load_extensions("docs_site.griffe_extension:Docstrings")
    module = griffe.load("shaped", search_paths=[tmp_path], extensions=extensions)
    scaled = module["scaled"]
    assert [str(parameter.annotation) for parameter in scaled.parameters] == ["Box", 'Float[Tensor, "draw"] | None']
    assert str(scaled.returns) == 'Float[Tensor, "draw x"]'
    assert str(module["Box.side"].annotation) == 'Float[Tensor, "x"]'
    assert str(module["Box.area"].annotation) == 'Float[Tensor, "x y"]'
    assert module["Box.side"].docstring.value == "Of it: w &lt;- w."
