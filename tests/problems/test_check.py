"""``rotbot check``: a clean dataset passes, and every way to spoil one is told."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rotbot import Problem
from rotbot.errors import InputError
from rotbot.problems import LEVELS, build
from rotbot.problems.check import Report, _check_balance, check
from rotbot.problems.parts import Recipe
from rotbot.problems.shards import SCHEMA
from rotbot.problems.substitute import assignments, at_values, trace_at_values
from rotbot.problems.witness import Observation, contradiction, observe
from rotbot.shapes.trace import ShapeTrace


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("check") / "data"
    build.build(out, Recipe(150, 7, LEVELS[:6], eval_rows=1), workers=2)
    return out


@pytest.fixture
def folder(clean, tmp_path):
    return Path(shutil.copytree(clean, tmp_path / "data"))


def faults(report):
    return dict(report.faults)


def test_a_clean_dataset_has_no_faults(clean):
    report = check(clean, workers=2, sample=40)
    assert faults(report) == {}, report.examples
    files = list(clean.rglob("*.parquet"))
    assert sum(report.rows.values()) == sum(pq.read_metadata(path).num_rows for path in files)
    assert report.overlaps == 0
    assert report.regenerated >= 15
    assert abs(sum(report.families.values()) - 1) < 1e-9


def spoil(folder, change, split="sft/train", row=0):
    """Rewrite one row of a split."""
    path = next(folder.glob(f"{split}-*.parquet"))
    rows = pq.read_table(path).to_pylist()
    change(rows[row])
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)
    return rows[row]


def set_all(row, trace):
    """A row whose columns agree with each other on a false trace."""
    claimed = ShapeTrace.parse(trace)
    row["trace"], row["final"] = trace, list(claimed.final)
    row["completion"] = [{"role": "assistant", "content": claimed.completion()}]


def false_final(row):
    steps, _, final = row["trace"].rpartition("\nfinal: ")
    wrong = final.replace("[", "[7, ") if final != "[]" else "[7]"
    before, arrow, _ = steps.rpartition(" -> ")
    set_all(row, f"{before}{arrow}{wrong}\nfinal: {wrong}")


def right_row(folder):
    """The number of the first right program with two steps or more."""
    rows = pq.read_table(next(folder.glob("sft/train-*.parquet"))).to_pylist()
    return next(i for i, row in enumerate(rows) if row["outcome"] == "ok" and row["n_steps"] > 2 and row["final"])


def test_a_false_final_is_found_by_running_it(folder):
    spoil(folder, false_final, row=right_row(folder))
    report = check(folder, sample=0)
    assert faults(report)["truth"] == 1
    assert "final: eager torch gives" in report.examples["truth"][0].what


def test_a_false_step_is_found_though_the_final_is_right(folder):
    def change(row):
        first, rest = row["trace"].split("\n", 1)
        set_all(row, first.replace(" -> [", " -> [9, ", 1) + "\n" + rest)

    row = right_row(folder)
    spoil(folder, change, row=row)
    report = check(folder, sample=0)
    assert faults(report)["truth"] == 1
    assert "step 0: no eager call is" in report.examples["truth"][0].what


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda row: row.update(id="0" * 64), "id"),
        (lambda row: row["prompt"][0].update(content="Code: 'y = x'\nArgs: {'x': [2]}\nTarget: y"), "prompt"),
        (lambda row: row["completion"][0].update(content="</think>\nfinal: [2]"), "completion"),
        (lambda row: row.update(final=[1, 2, 3, 4, 5, 6, 7]), "final"),
        (lambda row: row.update(outcome="maybe"), "outcome"),
        (lambda row: row.update(n_steps=77), "n_steps"),
        (lambda row: row.update(ops=["view"] * 9), "ops"),
        (lambda row: row.update(families=["nn", "zoo"]), "families"),
        (lambda row: row.update(trace=f"hello\n{row['trace']}"), "trace"),
        (lambda row: row.update(code="import os\nos.system('true')"), "unusable row"),
        (lambda row: row.update(code="y = ("), "unusable row"),
        (lambda row: row.update(args=[]), "unusable row"),
    ],
)
def test_every_column_is_checked(folder, change, kind):
    spoil(folder, change)
    assert faults(check(folder, sample=0)).get(kind, 0) >= 1


def test_nothing_is_run_that_the_tracer_refuses(folder, tmp_path):
    spoil(folder, lambda row: row.update(code=f"open({str(tmp_path / 'pwned')!r}, 'w')\ny = x.T"))
    assert "unusable row" in faults(check(folder, sample=0))
    assert not (tmp_path / "pwned").exists()


def die(seconds: float) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("fate", [die, time.sleep])
def test_a_row_that_kills_or_stalls_its_worker_is_told_and_the_others_are_checked(folder, monkeypatch, fate):
    row = right_row(folder)
    code = pq.read_table(next(folder.glob("sft/train-*.parquet")))["code"][row].as_py()

    def watched(problem: Problem, last_line: int | None = None) -> Observation:
        if problem.code == code:
            fate(600.0)
        return observe(problem, last_line)

    monkeypatch.setattr("rotbot.problems.check.observe", watched)  # workers are forked: they have it, too
    monkeypatch.setattr("rotbot.problems.check_pool.ROW_SECONDS", 3.0)
    report = check(folder, workers=2, sample=0)
    assert faults(report) == {"unusable row": 1}
    (fault,) = report.examples["unusable row"]
    assert fault.where == f"sft/train row {row}"
    assert "its check was killed" in fault.what
    assert sum(report.rows.values()) == sum(pq.read_metadata(path).num_rows for path in folder.rglob("*.parquet"))


def test_a_row_that_would_fill_the_memory_is_not_run(folder):
    args = [{"name": "x", "shape": [1], "dtype": "float32", "dims": None}]
    spoil(folder, lambda row: row.update(code="y = x.expand(70000, 70000).clone()", args=args, target="y"))
    report = check(folder, sample=0)
    assert any("elements in all tensors together" in fault.what for fault in report.examples["unusable row"])


def test_work_is_checked(tmp_path):
    out = tmp_path / "worked"
    build.build(out, Recipe(40, 7, LEVELS[:6], eval_rows=0, work="full"), workers=1)
    report = check(out, sample=200)
    assert faults(report) == {}
    assert report.regenerated == 40
    rows = pq.read_table(next(out.glob("sft/train-*.parquet"))).to_pylist()
    row = next(i for i, row in enumerate(rows) if "(line 1" in row["trace"])

    def false_line(row):
        for name in ("trace", "completion"):
            old = row[name] if name == "trace" else row[name][0]["content"]
            new = old.replace("(line 1", "(line 7", 1)
            row.update({name: new if name == "trace" else [{"role": "assistant", "content": new}]})

    spoil(out, false_line, row=row)
    report = check(out, sample=0)
    assert faults(report) == {"work": 1}
    assert "line 7" in report.examples["work"][0].what


@pytest.mark.parametrize(("share", "blamed"), [(0.001, True), (0.0195, False), (0.3, True), (0.1, False)])
def test_a_family_is_blamed_for_more_than_chance(share, blamed):
    others = ("add", "cat", "sum", "permute", "conv2d", "matmul", "sort")
    report = Report(ops=Counter({"view": round(7000 * share), **dict.fromkeys(others, round(1000 * (1 - share)))}))
    _check_balance(report)
    assert ("reshape" in {fault.where for fault in report.examples.get("balance", ())}) is blamed


def test_a_row_in_the_wrong_split_and_an_overlap(folder):
    moved = pq.read_table(next(folder.glob("sft/train-*.parquet"))).slice(right_row(folder), 1).to_pylist()[0]
    spoil(folder, lambda row: (row.clear(), row.update(moved)), split="eval/id")
    found = faults(check(folder, sample=0))
    assert found["place"] == 1
    assert found["overlap"] == 1
    assert found["repeated id"] == 1


def test_rows_that_the_generator_does_not_make_again(folder):
    spoil(folder, lambda row: row.update(seed=row["seed"] + 1))
    report = check(folder, sample=10_000)
    assert report.faults["determinism"] >= 1


def test_another_schema_and_no_dataset(folder, tmp_path):
    path = next(folder.glob("sft/test-*.parquet"))
    pq.write_table(pq.read_table(path).drop(["level"]), path)
    report = check(folder, sample=0)
    assert report.examples["schema"][0].what == "expected level: int32"
    with pytest.raises(InputError, match="expected a dataset with sft, rl, eval in"):
        check(tmp_path / "nothing")


@pytest.mark.parametrize(
    "code",
    [
        "y = x[1:, None, 2]", "y = x[:, :]", "y = x[1:][None][:, 0]", "y = nn.Linear(6, 2)(x).relu()",
        "y = 2 - x.T // 3", "x += 1\ny = -x",
        "y = x.max(1).values[idx]", "y = torch.linalg.qr(x)[0] @ x", "y = torch.fft.rfft(x).abs()",
        "x[0] = 1\ny = x.mT",
        "y, _ = nn.LSTM(6, 5, batch_first=True)(x[None])", "a, *b = x\ny = torch.stack(b)",
        "y = x[[0, 1], :, None][:, idx]",
        "y = nn.LSTM(6, 5, bidirectional=True)(x)[0]", "y, h = nn.GRU(6, 5, batch_first=True)(x)",
        "y = x[1:, None, 9]", "y = x.relu()[0, 1:, 2]",
    ],
)  # fmt: skip
def test_the_witness_agrees_with_what_is_so(code):
    problem = Problem(code, {"x": [4, 6], "idx": "2:int64"}, "y")
    truth = problem.truth()
    said = observe(problem, None if truth.error is None else truth.error.line)
    assert contradiction(ShapeTrace.parse(truth.render()), said) is None


def test_the_witness_replays_the_part_of_an_index_that_worked():
    problem = Problem("y = x[1:, 9]", {"x": [4, 6]}, "y")
    false = ShapeTrace.parse(problem.truth().render().replace("[3, 6]", "[2, 6]"))
    found = contradiction(false, observe(problem, 1))
    assert found == "step 0: slice dim 0 from 1 to 4 of (4, 6) does not give (2, 6)"


def test_a_name_may_be_a_word_of_the_format():
    problem = Problem("n = x.shape[1]\ny = x[:, : n // 2][:, 3 : n // 2]", {"x": ["B", "dim"]}, "y")
    truth = problem.truth()
    assert truth.steps[0].op == "slice dim 1 from 0 to dim//2"
    for values in assignments(truth, problem):
        claimed = trace_at_values(ShapeTrace.parse(truth.render()), values)
        assert contradiction(claimed, observe(at_values(problem, values))) is None


def test_the_command(clean, tmp_path):
    command = [sys.executable, "-m", "rotbot", "check", str(clean), "--json", "--sample", "5", "--workers", "1"]
    done = subprocess.run([*command, "--plot", str(tmp_path / "d.png")], capture_output=True, text=True, check=False)
    data = json.loads(done.stdout)
    assert done.returncode == (0 if data["clean"] else 1)
    assert data["overlaps"] == 0
    assert (tmp_path / "d.png").read_bytes().startswith(b"\x89PNG")
    assert data["faults"] == {}
