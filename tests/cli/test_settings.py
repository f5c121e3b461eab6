"""Words of the command line become the settings that they say."""

import pytest

from grokscope.cli.settings import changes, grouped
from grokscope.config import ConfigError, override, preset


def read(words: str):
    return changes(grouped(words.split()))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--optimizer.lr 1e-4", {"optimizer.lr": 1e-4}),
        ("--lr 1e-4", {"optimizer.lr": 1e-4}),
        ("--lr=1e-4", {"optimizer.lr": 1e-4}),
        ("--lr 1", {"optimizer.lr": 1.0}),
        ("--seed 3 --steps 500", {"seed": 3, "training.steps": 500}),
        ("--forward hooked", {"forward": "hooked"}),
        ("--max-norm none", {"norms.max_norm": None}),
        ("--max_norm None", {"norms.max_norm": None}),
        ("--norms.max-norm 1.5", {"norms.max_norm": 1.5}),
        ("--normalization none", {"model.normalization": "none"}),
        ("--init-rows none", {"norms.init_rows": "none"}),
        ("--batch-size none", {"training.batch_size": None}),
        ("--biases false", {"model.biases": False}),
        ("--betas 0.9 0.98", {"optimizer.betas": (0.9, 0.98)}),
        ("--betas 0.9,0.98", {"optimizer.betas": (0.9, 0.98)}),
        ("--max-norm 2 --scope ln mlp", {"norms.max_norm": 2.0, "norms.scope": ("ln", "mlp")}),
        ("--operations add", {"task.operations": ("add",)}),
        ("--task mul --optimizer adam", {"task.name": "mul", "optimizer.name": "adam"}),
        ("--task=group --group D6", {"task.name": "group", "task.group": "D6"}),
        ("--elements none", {"task.elements": None}),
        ("--task square_sub", {"task.name": "square_sub"}),
        ("--sphere rows --sphere-scope mlp blocks.*.ln2.w", {
            "norms.sphere": "rows", "norms.sphere_scope": ("mlp", "blocks.*.ln2.w"),
        }),
        ("--group-rate embed=5 --group-decay mlp=3", {
            "optimizer.group_rate": (("embed", 5.0),), "optimizer.group_decay": (("mlp", 3.0),),
        }),
        ("--trace true --label-noise 0.1", {"probes.trace": True, "task.label_noise": 0.1}),
        ("--gradient grokfast_ema --lamb 2", {"gradient.name": "grokfast_ema", "gradient.lamb": 2.0}),
        ("--gradient neuralgrok --merge-outer true", {"gradient.name": "neuralgrok", "gradient.merge_outer": True}),
        ("--gradient grokfast_ma --lamb none", {"gradient.name": "grokfast_ma", "gradient.lamb": None}),
        ("--gradient neuralgrok --amplifier-betas 0.9,0.98", {
            "gradient.name": "neuralgrok", "gradient.amplifier_betas": (0.9, 0.98)}),
        ("--optimizer scion --group-lmo embed=col_norm", {
            "optimizer.name": "scion", "optimizer.group_lmo": (("embed", "col_norm"),)}),
        ("--optimizer scion --group-lmo embed=col_norm,mlp=sign unembed=row_norm", {
            "optimizer.name": "scion",
            "optimizer.group_lmo": (("embed", "col_norm"), ("mlp", "sign"), ("unembed", "row_norm"))}),
        ("--optimizer scion --group-radius unembed=3000 ln=2", {
            "optimizer.name": "scion", "optimizer.group_radius": (("unembed", 3000.0), ("ln", 2.0))}),
        ("--optimizer muon --momentum 0.95 --adam-lr 1e-4", {
            "optimizer.name": "muon", "optimizer.momentum": 0.95, "optimizer.adam_lr": 1e-4}),
        ("--decay-scope mlp attention --decay-form decoupled", {
            "optimizer.decay_scope": ("mlp", "attention"), "optimizer.decay_form": "decoupled"}),
        ("--cap spectral --cap-scope mlp", {"norms.cap": "spectral", "norms.cap_scope": ("mlp",)}),
    ],
)  # fmt: skip
def test_words_are_read_as_the_type_of_the_setting(words, expected):
    found = read(words)
    assert found == expected
    assert list(map(type, found.values())) == list(map(type, expected.values()))
    override(preset("mul-lion"), found)


def test_tables_are_read_from_files(tmp_path):
    (tmp_path / "c2.txt").write_text("0 1\n1 0\n")
    rows = ((0, 1), (1, 0))
    assert read(f"--elements {tmp_path}/c2.txt") == {"task.elements": rows}
    assert read(f"--task.table {tmp_path}/c2.txt") == {"task.table": rows}
    (tmp_path / "train.txt").write_text("3 1\n4\n")
    assert read(f"--train-indices {tmp_path}/train.txt") == {"task.train_indices": (3, 1, 4)}
    (tmp_path / "c2.txt").write_text("0 1\n1 o\n")
    with pytest.raises(ConfigError, match=r"task\.elements: .*c2\.txt, line 2: 'o' is not an integer"):
        read(f"--elements {tmp_path}/c2.txt")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--elements", "setting task.elements takes one value"),
        ("--elements a b", "setting task.elements takes one value"),
        ("--model 3", "there is no setting 'model'"),
        ("--task mul --task.name add", "task.name is given twice"),
        ("--stepz 3", "there is no setting 'stepz'; nearest: training.steps"),
        ("--name mul", "ambiguous: write task.name or optimizer.name"),
        ("--lr 1 --lr 2", "--lr is given twice"),
        ("--lr 1 --optimizer.lr 2", "optimizer.lr is given twice"),
        ("--lr", "takes one value, but has no value"),
        ("--lr 1 2", "takes one value, but has 2 values"),
        ("3", "'3' is not expected here"),
        ("--", "'--' is not expected here"),
    ],
)
def test_words_that_make_no_setting_are_refused(words, message):
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")):
        read(words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--steps abc", r"training\.steps = 'abc' is not accepted: use an integer >= 1"),
        ("--steps 1.5", r"training\.steps = '1.5' is not accepted"),
        ("--lr fast", r"optimizer\.lr = 'fast' is not accepted"),
        ("--lr nan", r"optimizer\.lr = nan is not accepted"),
        ("--biases maybe", r"model\.biases = 'maybe' is not accepted: use true or false"),
        ("--task.name modular", r"task\.name = 'modular' is not accepted: use one of add"),
        ("--max-norm -1", r"norms\.max_norm = -1\.0 is not accepted"),
        ("--scope", r"norms\.scope = \(\) is not accepted"),
        (
            "--optimizer scion --group-lmo embed",
            r"optimizer\.group_lmo = \(\('embed', None\),\) is not accepted: use pairs of a group",
        ),
        (
            "--optimizer scion --group-lmo embed=colnorm",
            r"optimizer\.group_lmo = .*'colnorm'.* one of auto, spectral, sign, col_norm",
        ),
        (
            "--optimizer scion --group-lmo ln=sign",
            r"optimizer\.group_lmo of ln = 'sign' is not accepted: use one of auto, bias_rms",
        ),
        ("--gradient grokfast", r"gradient\.name = 'grokfast' is not accepted: use one of grokfast_ma, grokfast_ema"),
        (
            "--rho 20",
            r"optimizer\.rho = 20\.0 .*: clipped_scion and unconstrained_clipped_scion read it, lion does not",
        ),
        ("--betas 0.9", r"optimizer\.betas = \(0\.9,\) is not accepted: use two numbers"),
    ],
)
def test_the_schema_refuses_a_value_in_the_words_that_were_typed(words, message):
    with pytest.raises(ConfigError, match=message):
        override(preset("mul-lion"), read(words))
