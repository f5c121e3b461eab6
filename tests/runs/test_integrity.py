"""A changed, cut or missing file is found by `verify_run` and refused by whoever reads it."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grokscope.runs import RunError, open_run, reopen_run, repair_run, verify_run


def bad(path):
    return [finding for finding in verify_run(path) if finding.is_bad]


def load_state(path):
    with reopen_run(path) as writer:
        return writer.load_state()


def test_an_untouched_run_is_all_ok(trained):
    findings = verify_run(trained)
    assert {finding.verdict for finding in findings} == {"ok"}
    files = {finding.file for finding in findings}
    on_disk = {str(p.relative_to(trained)) for p in trained.rglob("*") if p.is_file()}
    assert on_disk - files == {"run.lock"}


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_one_flipped_bit_anywhere_in_a_checkpoint_is_found_and_refused(shared, data):
    step = data.draw(st.sampled_from(range(0, 60, 10)))
    file = shared / f"checkpoints/step_{step:08d}.safetensors"
    content = file.read_bytes()
    position, bit = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 7))
    flipped = bytearray(content)
    flipped[position] ^= 1 << bit
    file.write_bytes(flipped)
    try:
        (finding,) = bad(shared)
        assert finding.file == f"checkpoints/step_{step:08d}.safetensors"
        assert finding.verdict == "digest mismatch"
        run = open_run(shared)
        with pytest.raises(RunError, match=rf"step_{step:08d}\.safetensors has changed"):
            run.weights(step)
        with pytest.raises(RunError, match=rf"step_{step:08d}\.safetensors has changed"):
            run.trajectory("embed.W_E")
        assert run.weights((step + 10) % 60)  # the others are as good as before
    finally:
        file.write_bytes(content)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0, 1, exclude_max=True))
def test_a_truncated_checkpoint_is_found_with_both_sizes_and_refused(shared, fraction):
    file = shared / "checkpoints/step_00000020.safetensors"
    content = file.read_bytes()
    kept = int(fraction * len(content))
    file.write_bytes(content[:kept])
    try:
        (finding,) = bad(shared)
        assert finding.verdict == "truncated"
        assert f"{kept} of {len(content)} bytes" in finding.detail
        with pytest.raises(RunError, match=rf"step_00000020\.safetensors is truncated: {kept} of"):
            open_run(shared).weights(20)
    finally:
        file.write_bytes(content)


def test_a_missing_checkpoint_is_found_and_refused(trained):
    (trained / "checkpoints/step_00000030.safetensors").unlink()
    (finding,) = bad(trained)
    assert (finding.file, finding.verdict) == ("checkpoints/step_00000030.safetensors", "missing")
    with pytest.raises(RunError, match=r"step_00000030\.safetensors is missing"):
        open_run(trained).weights(30)
    with pytest.raises(RunError, match=r"step_00000030\.safetensors is missing"):
        open_run(trained).trajectory("embed.W_E")


def test_a_checkpoint_with_bytes_added_is_found(trained):
    with (trained / "checkpoints/step_00000030.safetensors").open("ab") as file:
        file.write(b"\0")
    (finding,) = bad(trained)
    assert "too long" in finding.detail


def test_a_file_that_the_manifest_does_not_list_is_named_but_harmless(trained):
    shutil.copy(trained / "checkpoints/step_00000030.safetensors", trained / "checkpoints/step_00000035.safetensors")
    (finding,) = [f for f in verify_run(trained) if f.verdict != "ok"]
    assert (finding.file, finding.verdict) == ("checkpoints/step_00000035.safetensors", "unlisted")
    assert not finding.is_bad
    assert 35 not in open_run(trained).steps


def test_a_deleted_manifest_is_an_error_that_names_the_unlisted_checkpoints(trained):
    (trained / "manifest.jsonl").unlink()
    for use in (verify_run, open_run, reopen_run):
        with pytest.raises(RunError, match=r"manifest\.jsonl is missing: 6 checkpoints are unlisted \(steps 0, .*50\)"):
            use(trained)
    assert len(list((trained / "checkpoints").iterdir())) == 6


def test_a_last_line_torn_at_any_byte_is_dropped_by_readers_and_repaired_by_the_next_writer(killed, tmp_path):
    content = (killed / "manifest.jsonl").read_bytes()
    weights = open_run(killed).weights(50)
    start = content[:-1].rfind(b"\n") + 1
    unsealed = dict.fromkeys(("status.json", "manifest.jsonl", "metrics.jsonl"), "unsealed")
    for end in range(start, len(content)):
        (killed / "manifest.jsonl").write_bytes(content[:end])
        assert open_run(killed).steps == [0, 10, 20, 30, 40], end
        verdicts = {f.file: f.verdict for f in verify_run(killed) if f.verdict != "ok"}
        torn = {"manifest.jsonl": "torn"} if end > start else {}
        last = {"checkpoints/step_00000050.safetensors": "unlisted"}
        expected = unsealed | torn | last
        expected = expected if torn else {file: expected[file] for file in expected if file != "manifest.jsonl"}
        assert verdicts == expected, end
        assert not bad(killed)
    copy = tmp_path / "copy"
    for end in (start + 1, (start + len(content)) // 2, len(content) - 1):
        shutil.copytree(killed, copy)
        (copy / "manifest.jsonl").write_bytes(content[:end])
        with reopen_run(copy) as writer:
            assert (copy / "manifest.jsonl").read_bytes() == content[:start]
            writer.checkpoint(50, weights)
            writer.finish("finished")
        assert (copy / "manifest.jsonl").read_bytes() == content
        shutil.rmtree(copy)


def test_a_damaged_line_in_the_middle_of_the_manifest_is_an_error_and_not_a_guess(trained, without_seals):
    """In a run that is older than seals, of which the beginning is compared with what was sealed of it."""
    without_seals(trained)
    lines = (trained / "manifest.jsonl").read_bytes().splitlines(keepends=True)
    for replaced in (
        b"{\n",
        b"[1]\n",
        b"\xff\xfe\n",
        b"{}\n",
        lines[2].replace(b'"step": 20', b'"step": 21'),
        lines[1],
    ):
        (trained / "manifest.jsonl").write_bytes(b"".join([*lines[:2], replaced, *lines[3:]]))
        with pytest.raises(RunError, match=r"manifest\.jsonl is damaged"):
            open_run(trained)
        with pytest.raises(RunError, match=r"manifest\.jsonl is damaged"):
            reopen_run(trained)
        assert [(f.file, f.verdict) for f in bad(trained)] == [("manifest.jsonl", "damaged")]


@pytest.mark.parametrize("file", ["manifest.jsonl", "metrics.jsonl", "probes.jsonl", "status.json", "metrics.parquet"])
def test_a_byte_that_changes_in_what_is_sealed_is_found_by_verify_and_refused_by_whoever_reads_it(recorded, file):
    content = (recorded / file).read_bytes()
    for place in (0, len(content) // 2, len(content) - 2):
        changed = bytearray(content)
        changed[place] ^= 1
        (recorded / file).write_bytes(changed)
        assert [finding.file for finding in bad(recorded)] == [file]
        if file == "metrics.parquet":  # made anew from the lines
            assert open_run(recorded).metrics["step"].tolist() == [0, 10]
            (recorded / file).write_bytes(content)
            continue
        with pytest.raises(RunError, match=re.escape(f"{file} has changed")):
            read_all(recorded)
        if file != "status.json":  # the status is only told; a new one is written
            with pytest.raises(RunError, match=re.escape(f"{file} has changed")):
                reopen_run(recorded)
        (recorded / file).write_bytes(content)
    assert not bad(recorded)
    (recorded / file).write_bytes(content[:-10])
    assert [finding.file for finding in bad(recorded)] == [file]


def test_a_grok_step_out_of_nothing_is_refused(recorded):
    rows = [json.loads(line) for line in (recorded / "metrics.jsonl").read_text().splitlines()]
    rows[0]["val_accuracy"] = 1.0
    (recorded / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(RunError, match=r"metrics\.jsonl (has changed|is truncated|is too long)"):
        open_run(recorded).milestones  # noqa: B018


def test_what_is_added_after_a_run_was_closed_is_found(recorded):
    with (recorded / "metrics.jsonl").open("a") as file:
        file.write('{"step": 20, "train_accuracy": 1.0, "val_accuracy": 1.0}\n')
    (finding,) = bad(recorded)
    assert (finding.file, finding.verdict) == ("metrics.jsonl", "truncated")
    assert "too long" in finding.detail
    with pytest.raises(RunError, match=r"metrics\.jsonl is too long"):
        open_run(recorded).milestones  # noqa: B018


@pytest.mark.parametrize("change", ["remove", "edit", "insert", "swap", "first"])
def test_seals_that_do_not_follow_from_each_other_are_refused(recorded, change):
    file = recorded / "seals.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    changed = {
        "remove": [*lines[:1], *lines[2:]],
        "edit": [lines[0], lines[1].replace(b'"step": 0', b'"step": 1'), *lines[2:]],
        "insert": [*lines[:2], lines[1], *lines[2:]],
        "swap": [lines[0], lines[2], lines[1], *lines[3:]],
        "first": lines[1:],
    }[change]
    assert changed != lines
    file.write_bytes(b"".join(changed))
    assert [finding.file for finding in bad(recorded)][:1] == ["seals.jsonl"]
    for use in (open_run, reopen_run):
        with pytest.raises(RunError, match=r"seals\.jsonl is damaged: line \d is not the one that followed line"):
            use(recorded)


@pytest.mark.parametrize(
    "change", [(b'": ', b'":'), (b"\n", b"\n\n"), (b'"event"', b'"\\u0065vent"')], ids=["space", "line", "letter"]
)
def test_seals_that_say_the_same_in_other_bytes_are_refused_and_repaired(recorded, change):
    file = recorded / "seals.jsonl"
    before = file.read_bytes()
    file.write_bytes(before.replace(*change, 1))
    assert [(finding.file, finding.verdict) for finding in bad(recorded)] == [("seals.jsonl", "damaged")]
    with pytest.raises(
        RunError, match=r"seals\.jsonl is damaged: its lines say what they said and are written otherwise"
    ):
        open_run(recorded)
    repair_run(recorded)
    assert bad(recorded) == []
    assert file.read_bytes().startswith(before)


def test_a_run_that_has_lost_its_seals_is_refused_and_one_that_is_older_is_not(trained, without_seals):
    (trained / "seals.jsonl").unlink()
    for use in (open_run, reopen_run):
        with pytest.raises(RunError, match=r"seals\.jsonl is missing: .*grokscope repair"):
            use(trained)
    assert [finding.file for finding in bad(trained)] == ["config.json"]
    without_seals(trained)
    assert open_run(trained).steps == [0, 10, 20, 30, 40, 50]
    assert {f.verdict for f in verify_run(trained)} == {"ok", "unsealed"}
    reopen_run(trained).finish("finished")
    assert {f.verdict for f in verify_run(trained)} == {"ok"}
    reopen_run(trained).finish("finished")  # its old state among what is sealed now


def test_a_kill_between_the_seal_of_a_cut_and_the_cut_loses_nothing(killed, monkeypatch):
    rows = (killed / "metrics.jsonl").read_bytes()
    with reopen_run(killed) as writer:
        monkeypatch.setattr("grokscope.runs.writer.write_atomic", _killing)
        with pytest.raises(KeyboardInterrupt):
            writer.truncate(20)
        monkeypatch.undo()
        assert (killed / "metrics.jsonl").read_bytes() == rows
        assert not bad(killed)
        writer.truncate(20)
        assert not bad(killed)
        writer.finish("finished")
    assert list(open_run(killed).metrics.step) == [0, 10, 20]
    assert {finding.verdict for finding in verify_run(killed)} == {"ok"}


def test_a_run_that_was_opened_before_training_went_on_reads_what_is_there_now(trained, weights_at):
    run = open_run(trained)
    with reopen_run(trained) as writer:
        writer.checkpoint(60, weights_at(60))
        writer.log({"step": 60, "train_accuracy": 1.0, "val_accuracy": 1.0})
        writer.finish("interrupted")
    assert list(run.metrics["step"]) == [0, 10, 20, 30, 40, 50, 60]
    assert run.grok_step == 60


def _killing(*_):
    raise KeyboardInterrupt


def read_all(path):
    run = open_run(path)
    return run.milestones, run.probes, run.recorded_margins


def test_a_manifest_cannot_point_out_of_its_run(trained, tmp_path, without_seals):
    without_seals(trained)
    (tmp_path / "secret").write_bytes(b"x")
    row = {"step": 60, "file": "../../secret", "bytes": 1, "sha256": "0" * 64}
    with (trained / "manifest.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
    with pytest.raises(RunError, match="damaged"):
        open_run(trained)


@pytest.mark.parametrize("file", ["config.json", "status.json", "state.json"])
def test_a_damaged_json_file_is_found_and_named(trained, file, without_seals):
    without_seals(trained)
    for content in (b"", b"{", b"[]", b"{}", b"\xff", b'{"format": 99}'):
        (trained / file).write_bytes(content)
        assert [(f.file, f.verdict) for f in bad(trained)] == [(file, "damaged")]
        with pytest.raises(RunError, match=file.replace(".", r"\.")):
            load_state(trained) if file == "state.json" else open_run(trained)


def test_a_flipped_bit_in_the_resume_state_is_found_and_refused(trained):
    (file,) = trained.glob("state.*.safetensors")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert [(f.file, f.verdict) for f in bad(trained)] == [(file.name, "digest mismatch")]
    with pytest.raises(RunError, match=r"state\.\d\.safetensors has changed"):
        load_state(trained)


def test_damaged_metrics_are_found_and_named_with_their_line(trained, without_seals):
    without_seals(trained)
    lines = (trained / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (trained / "metrics.jsonl").write_bytes(b"".join([lines[0], b"?\n", *lines[2:]]))
    (finding,) = bad(trained)
    assert (finding.file, finding.verdict) == ("metrics.jsonl", "damaged")
    assert "line 2" in finding.detail
    with pytest.raises(RunError, match=r"metrics\.jsonl is damaged: line 2"):
        reopen_run(trained)
