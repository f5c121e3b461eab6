"""Licence, citation, changelog, hooks and workflow agree with what they are about."""

from __future__ import annotations

import datetime
import re
import tomllib
from pathlib import Path

import check_jsonschema
import pytest
import yaml
from click.testing import CliRunner
from packaging.version import Version

import grokscope

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOW = ROOT / ".github/workflows/tests.yml"
RELEASE = re.compile(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d{2}-\d{2})$", re.MULTILINE)
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def obeys(schema: str, file: Path) -> tuple[bool, str]:
    """Whether a file obeys one of the schemas that check-jsonschema brings along, and what it says."""
    done = CliRunner().invoke(check_jsonschema.main, ["--builtin-schema", schema, str(file)])
    return done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("schema", "file", "good", "bad"),
    [
        ("vendor.citation-file-format", ROOT / "CITATION.cff", "type: software", "type: poem"),
        ("vendor.github-workflows", WORKFLOW, "runs-on: ubuntu-latest", "runs_on: ubuntu-latest"),
    ],
)
def test_citation_and_workflow_obey_their_schemas(tmp_path, schema, file, good, bad):
    fine, said = obeys(schema, file)
    assert fine, said
    spoilt = tmp_path / file.name
    assert good in file.read_text(encoding="utf-8")
    spoilt.write_text(file.read_text(encoding="utf-8").replace(good, bad))
    assert not obeys(schema, spoilt)[0]


def test_the_citation_is_that_of_the_package():
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["version"] == grokscope.__version__
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == PROJECT["authors"]
    assert citation["keywords"] == PROJECT["keywords"]
    assert citation["authors"][0]["name"] in read("LICENSE")


def test_the_changelog_has_this_version_on_top_and_keeps_the_form():
    releases = RELEASE.findall(read("CHANGELOG.md"))
    versions = [Version(version) for version, _ in releases]
    assert str(versions[0]) == grokscope.__version__
    assert versions == sorted(versions, reverse=True)
    assert [datetime.date.fromisoformat(date) for _, date in releases] == sorted(
        (datetime.date.fromisoformat(date) for _, date in releases), reverse=True
    )
    assert releases[0][1] == yaml.safe_load(read("CITATION.cff"))["date-released"]
    assert set(re.findall(r"^### (.+)$", read("CHANGELOG.md"), re.MULTILINE)) <= KINDS


def test_the_hooks_are_the_linters_of_make_lint_in_its_environment():
    (repository,) = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    assert repository["repo"] == "local"  # of .venv, so in the versions of constraints.txt
    hooks = [hook["entry"] for hook in repository["hooks"]]
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", read("Makefile"), re.MULTILINE)
    commands = [line.lstrip("\t@") for line in recipe[1].splitlines()]
    assert hooks == [one.replace("$(PY)", ".venv/bin/python").replace("$(VENV)", ".venv") for one in commands]


def test_the_workflow_runs_targets_that_there_are_on_the_versions_that_are_promised():
    jobs = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]
    matrix = jobs["tests"]["strategy"]["matrix"]
    promised = [one.rpartition(" ")[2] for one in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d", one)]
    assert matrix["python"] == promised
    assert {one.partition("-")[0] for one in matrix["os"]} == {"ubuntu", "macos"}
    assert matrix["target"] == ["test", "test-lens4"]
    targets = set(re.findall(r"^([a-z0-9-]+):", read("Makefile"), re.MULTILINE))
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    named = {command.removeprefix("make ") for command in commands} - {"${{ matrix.target }}"}
    assert named | set(matrix["target"]) <= targets
    # An action is pinned to a commit: what a name stands for can change.
    used = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in used)


def test_the_page_on_installing_has_a_row_for_every_extra_that_is_for_users():
    named = set(re.findall(r"^\| `grokscope\[(\w+)\]`", read("docs/install.md"), re.MULTILINE))
    assert named >= {"lens", "ray", "tensorboard", "wandb", "dev"}
    assert named <= set(PROJECT["optional-dependencies"])


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/install.md"])
def test_what_a_page_names_is_there(page):
    text = read(page)
    targets = set(re.findall(r"^([a-z0-9-]+):", read("Makefile"), re.MULTILINE))
    named = re.findall(r"`make ([a-z0-9-]+)", text) + re.findall(r"^    make ([a-z0-9-]+)", text, re.MULTILINE)
    assert named
    assert set(named) <= targets
    for test in re.findall(r"pytest (tests/\S+\.py)", text):
        assert (ROOT / test).exists()
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert ((ROOT / page).parent / link).exists(), link
