"""A changed, cut or missing file is found by `verify_run` and refused by whoever reads it."""

from __future__ import annotations

import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grokscope.runs import RunError, open_run, reopen_run, verify_run


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
    assert on_disk - files == {"run.lock", "metrics.parquet"}


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


def test_a_last_line_torn_at_any_byte_is_dropped_by_readers_and_repaired_by_the_next_writer(trained, tmp_path):
    content = (trained / "manifest.jsonl").read_bytes()
    start = content[:-1].rfind(b"\n") + 1
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    for end in range(start, len(content)):
        (copy / "manifest.jsonl").write_bytes(content[:end])
        assert open_run(copy).steps == [0, 10, 20, 30, 40], end
        verdicts = {f.file: f.verdict for f in verify_run(copy) if f.verdict != "ok"}
        torn = {"manifest.jsonl": "torn"} if end > start else {}
        assert verdicts == torn | {"checkpoints/step_00000050.safetensors": "unlisted"}, end
        assert not bad(copy)
    for end in (start + 1, (start + len(content)) // 2, len(content) - 1):
        (copy / "manifest.jsonl").write_bytes(content[:end])
        with reopen_run(copy) as writer:
            assert (copy / "manifest.jsonl").read_bytes() == content[:start]
            writer.checkpoint(50, open_run(trained).weights(50))
            writer.finish("finished")
        assert (copy / "manifest.jsonl").read_bytes() == content


def test_a_damaged_line_in_the_middle_of_the_manifest_is_an_error_and_not_a_guess(trained):
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


def test_a_manifest_cannot_point_out_of_its_run(trained, tmp_path):
    (tmp_path / "secret").write_bytes(b"x")
    row = {"step": 60, "file": "../../secret", "bytes": 1, "sha256": "0" * 64}
    with (trained / "manifest.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
    with pytest.raises(RunError, match="damaged"):
        open_run(trained)


@pytest.mark.parametrize("file", ["config.json", "status.json", "state.json"])
def test_a_damaged_json_file_is_found_and_named(trained, file):
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


def test_damaged_metrics_are_found_and_named_with_their_line(trained):
    lines = (trained / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (trained / "metrics.jsonl").write_bytes(b"".join([lines[0], b"?\n", *lines[2:]]))
    (finding,) = bad(trained)
    assert (finding.file, finding.verdict) == ("metrics.jsonl", "damaged")
    assert "line 2" in finding.detail
    with pytest.raises(RunError, match=r"metrics\.jsonl is damaged: line 2"):
        reopen_run(trained)
