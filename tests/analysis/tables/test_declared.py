"""An analysis is declared in its own module, and everything that can be asked of it follows from that."""

from __future__ import annotations

import pkgutil

import pandas as pd
import pytest

import grokscope.analysis as package
from grokscope.analysis import Analysis, analyses, analysis, applicable, over_checkpoints, over_runs, run_all, where
from grokscope.analysis.checkpoint.checkpoint import Checkpoint
from grokscope.analysis.tables.declared import FAMILIES, contents
from grokscope.runs import Run

ROOMS = ("checkpoint", "circuit", "cosets", "dynamics", "tables", "timing")


def is_even(run: Run) -> bool:
    """Whether the run's seed is even."""
    return run.config.seed % 2 == 0


def declared() -> dict[str, Analysis]:
    """Three analyses of a user's, one of each kind."""

    @over_checkpoints(family="mine")
    def sizes(checkpoint: Checkpoint) -> pd.DataFrame:
        """How large the embedding is."""
        return pd.DataFrame({"size": [float(checkpoint.weights["embed.W_E"].norm())]})

    @analysis(family="mine", needs=("sizes",), applies_to=is_even)
    def growth(run: Run, factor: float = 1.0) -> pd.DataFrame:
        """How much larger it has become."""
        table = sizes(run)
        return pd.DataFrame({"growth": [factor * table["size"].iloc[-1] / table["size"].iloc[0]]})

    @over_runs(family="mine", needs=("growth",), applies_to=is_even, on_request=True)
    def ordered(runs: list[Run]) -> pd.DataFrame:
        """Runs in the order of their seeds."""
        return pd.DataFrame({"run": [run.name for run in sorted(runs, key=lambda run: run.config.seed)]})

    return {found.name: found for found in (sizes, growth, ordered)}


def test_every_analysis_is_a_name_of_the_package_and_says_what_it_is() -> None:
    for name, found in analyses().items():
        assert getattr(package, name) is found
        assert found.summary.endswith("."), name
        assert found.family in FAMILIES
        assert set(found.needs) <= set(analyses())
    from grokscope.analysis import cosets, timing

    assert isinstance(cosets, Analysis)  # and not the room of that name
    assert timing.__name__ == "grokscope.analysis.timing"
    with pytest.raises(AttributeError, match="spectrum"):
        _ = package.spectrum


def test_the_order_of_tables_is_that_of_families_and_of_the_tables_of_contents() -> None:
    names = list(analyses())
    families = [found.family for found in analyses().values()]
    assert families == sorted(families, key=FAMILIES.index)
    assert names[:4] == ["spectra", "neurons", "logit_characters", "keys"]
    assert names[-3:] == ["learning_curves", "milestones", "timing_table"]


@pytest.mark.parametrize("room", ROOMS)
def test_the_table_of_contents_of_a_room_is_its_folder(room: str) -> None:
    module = __import__(f"grokscope.analysis.{room}", fromlist=["_"])
    listed = contents(module.__doc__)
    assert len(listed) == len(set(listed))
    assert set(listed) == {found.name for found in pkgutil.iter_modules(module.__path__)}


def test_the_table_of_contents_of_the_package_is_its_rooms() -> None:
    assert sorted(contents(package.__doc__ or "")) == sorted(ROOMS)
    assert {found.name for found in pkgutil.iter_modules(package.__path__)} == set(ROOMS)


def test_a_declared_analysis_takes_one_run_or_several_and_is_made_with_all_others(write_run) -> None:
    mine, runs = declared(), [write_run("even", growth=2.0), write_run("odd", seed=1)]
    assert list(analyses())[-3:] == ["sizes", "growth", "ordered"]
    assert mine["growth"].summary == "How much larger it has become."
    assert applicable(runs[0])[-2:] == ("sizes", "growth")
    assert "growth" not in applicable(runs[1])
    table = mine["growth"](runs, factor=3.0)
    assert list(table) == ["run", "task", "arm", "seed", "growth"]
    assert table["growth"].tolist() == pytest.approx([6.0, 3.0])
    tables = run_all(runs, ["mine"])
    assert set(tables) == {"sizes", "growth"}
    assert set(tables["sizes"]["run"]) == {"even", "odd"}
    assert tables["growth"]["run"].tolist() == ["even"]
    assert sorted(path.name for path in runs[0].analysis_path.iterdir()) == ["growth", "sizes"]
    assert run_all(runs[::-1], ["ordered"])["ordered"]["run"].tolist() == ["even", "odd"]
    assert run_all(runs[1:], ["growth", "ordered"]) == {}
    assert set(run_all(runs[0], ["growth"])) == {"growth"}


def test_what_an_analysis_is_made_of_is_part_of_its_key(write_run) -> None:
    run, mine = write_run(), declared()
    assert mine["sizes"].depends_on().sources[0] in mine["growth"].depends_on().sources
    mine["growth"](run)
    assert mine["growth"].kept(run) is not None
    assert mine["growth"].kept(run, factor=2.0) is None


def test_what_an_analysis_is_made_of_reads_is_part_of_its_key(write_run) -> None:
    from grokscope.analysis import milestones
    from grokscope.runs import open_run, reopen_run

    @analysis(family="mine", needs=("milestones",))
    def trained(run: Run) -> pd.DataFrame:
        """How far the run was trained."""
        return milestones(run)[["steps"]]

    run = write_run()
    trained(run)
    with reopen_run(run.path, run.config) as writer:
        writer.log({"step": 1000, "train_loss": 0.0, "train_accuracy": 1.0, "val_loss": 0.0, "val_accuracy": 1.0})
        writer.finish("finished")
    assert trained(open_run(run.path))["steps"].tolist() == [1000]


def test_tables_of_several_runs_are_those_of_each(write_run) -> None:
    runs = [write_run("a"), write_run("b", seed=1, **{"task.name": "parity", "task.bits": 4})]
    tables = run_all(runs, ["keys", "norm_trajectories", "milestones", "embedding_overlap"])
    assert list(tables) == ["keys", "norm_trajectories", "milestones"]
    assert set(tables["keys"]["run"]) == {"a"}
    for run in runs:
        for name in ("norm_trajectories", "milestones"):
            one = run_all(run, [name])[name]
            pd.testing.assert_frame_equal(where(tables[name], run=run.name).reset_index(drop=True), one)


def test_two_analyses_of_one_name_are_refused_with_both_homes() -> None:
    with pytest.raises(
        ValueError, match=r"'keys': grokscope\.analysis\.circuit\.keys\.keys and .*test_declared.*<locals>"
    ):

        @analysis(family="mine")
        def keys(run: Run) -> pd.DataFrame:
            raise NotImplementedError

    assert analyses()["keys"].home == "grokscope.analysis.circuit.keys.keys"


def test_a_module_that_is_read_again_replaces_its_own_analyses() -> None:
    first, again = declared(), declared()
    assert analyses()["growth"] is again["growth"] is not first["growth"]


def test_an_analysis_that_needs_one_that_does_not_exist_says_so(write_run) -> None:
    @analysis(family="mine", needs=("growht",))
    def lost(run: Run) -> pd.DataFrame:
        return pd.DataFrame()

    with pytest.raises(ValueError, match=r"lost needs growht, and there is no such analysis"):
        run_all(write_run(), ["lost"])


def test_the_most_coset_like_neuron_is_shown_where_none_is_named(write_run) -> None:
    from grokscope.analysis import cosets, neuron_grid
    from grokscope.analysis.cosets.neuron_grid import most_coset_like

    run = write_run(**{"task.name": "permutation", "task.degree": 3})
    layer, neuron = most_coset_like(cosets(run))
    pd.testing.assert_frame_equal(run_all(run, ["neuron_grid"])["neuron_grid"], neuron_grid(run, layer, neuron))
    with pytest.raises(ValueError, match="layer = 0 and neuron = None belong together"):
        neuron_grid(run, 0)
    assert "neuron_grid" not in applicable(run)


def test_the_delay_law_is_fitted_to_the_clamped_runs_among_some(write_run) -> None:
    clamp = {"norms.clamp_reference": 10.0, "max_norm": None}
    free = write_run("free")
    runs = [
        write_run(f"{rho}-{seed}", groks=groks, arm=f"rho-{rho}", seed=seed, **{**clamp, "norms.clamp_rho": rho})
        for rho, groks in ((0.8, 200), (1.0, 400))
        for seed in (0, 1)
    ]
    tables = run_all([free, *runs], ["delay_table", "delay_law_fit"])
    assert set(tables["delay_table"]["run"]) == {run.name for run in runs}
    fit = tables["delay_law_fit"].iloc[0]
    assert fit["seed"] == "0, 1"
    assert fit["runs"] == 4
    assert fit["alpha"] > 0
    assert list(tables["delay_law_fit"])[:4] == ["run", "task", "arm", "seed"]
    with pytest.raises(ValueError, match="none of the runs free is clamped"):
        run_all(free, ["delay_law_fit"])
