"""The experiment on rewards: arms of GRPO, and SFT alone, from one checkpoint, several seeds each.

    python tools/experiment.py OUT --start MODEL --data DATA --narrow NARROW [--seeds 1,2,3] [--steps 60] [--rows 200]
        [KEY=VALUE ...]

Every arm takes as many steps of as many completions; KEY=VALUE are further settings of ``rotbot grpo`` for all of
them. ``SFT alone`` trains on DATA for as many tokens as cost what the arm ``faithful`` did: a token drawn costs two
operations a weight, one trained on six. A run that was broken goes on where it was; one that is there is not made
again. In OUT:

    curves.csv, curves.png    answers to validation problems while training, by arm and seed
    splits.csv, splits.png    the benchmark's splits (fresh problems, seed 90210) at the end, and of MODEL

Intervals are Student's, 95%, over seeds.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from matplotlib.figure import Figure

ARMS: dict[str, tuple[str, ...]] = {
    "final-only": ("rubric=final-only", "advantages=outcome", "gate=false"),
    "faithful": ("rubric=faithful", "advantages=outcome"),
    "faithful, process": ("rubric=faithful", "advantages=process"),
    "faithful, narrow data": ("rubric=faithful", "advantages=outcome"),
}
SFT, START = "SFT alone", "start"
SPLITS = ("id", "ood_depth", "ood_rank", "ood_size", "ood_pair", "ood_op", "ood_style", "error")
METRICS = ("faithful", "final", "lucky")
EVAL_SEED = 90_210
STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
"""The 97.5% quantile of Student's t for means of so many seeds."""


@dataclass(frozen=True, slots=True)
class Row:
    """A figure of a run: at a step of the training, or of a split at its end."""

    arm: str
    seed: int
    where: str
    metric: str
    value: float


def rotbot(*arguments: str) -> None:
    """Run a command, its output on this terminal. Ends the program if it fails."""
    print("rotbot", *arguments, flush=True)
    done = subprocess.run([sys.executable, "-m", "rotbot", *arguments], check=False)
    if done.returncode:
        raise SystemExit(
            f"expected rotbot {arguments[0]} to end with 0, got {done.returncode}; run this again to go on"
        )


def train(run: Path, arm: str, seed: int, given: argparse.Namespace) -> None:
    """Make ``run/model`` unless it is there."""
    if (run / "model" / "model.safetensors").is_file():
        return
    if arm == SFT:
        faithful = metrics(run.parent.parent / "faithful" / str(seed))
        tokens = sum(line["episodes"] * line["length"] for line in faithful if "episodes" in line)
        rotbot(
            "sft", "--config", "tiny", "--resume", f"model.init={given.start}", f"data.dataset={given.data}",
            f"output={run}", f"seed={seed}", f"schedule.tokens={round(tokens * (2 + 6) / 6)}", "optimizer.name=adamw",
            "optimizer.lr=1e-4", "optimizer.other_lr=1e-4", "data.max_length=1024",
        )  # fmt: skip
        return
    data = given.narrow if arm.endswith("narrow data") else given.data
    rotbot(
        "grpo", "--config", "tiny-grpo", "--resume", f"model={given.start}", f"dataset={data}", f"output={run}",
        f"seed={seed}", f"steps={given.steps}", *ARMS[arm], *given.settings,
    )  # fmt: skip


def metrics(run: Path) -> list[dict[str, float]]:
    """The lines of a run's ``metrics.jsonl``."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def evaluate(model: str, out: Path, rows: int) -> dict[str, dict[str, float]]:
    """Metrics by split, from the report in ``out``, which is made if it is not there."""
    if not (out / "report.json").is_file():
        options = ("--rows", str(rows), "--seed", str(EVAL_SEED), "--max-tokens", "768", "--out", str(out))
        rotbot("eval", model, "--splits", ",".join(SPLITS), *options)
    splits = json.loads((out / "report.json").read_text(encoding="utf-8"))["splits"]
    return {split: {name: splits[split][name]["value"] for name in METRICS} for split in SPLITS}


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, low and high of a figure over seeds; one seed has no interval."""
    mean = fmean(values)
    half = STUDENT[len(values)] * stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return mean, mean - half, mean + half


def grouped(rows: Iterable[Row]) -> dict[tuple[str, str, str], list[float]]:
    """The values of all seeds, by metric, arm and place."""
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for row in rows:
        found[row.metric, row.arm, row.where].append(row.value)
    return found


def write_csv(path: Path, where: str, rows: Sequence[Row]) -> None:
    """All figures, one a line."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["arm", "seed", where, "metric", "value"])
        writer.writerows([row.arm, row.seed, row.where, row.metric, f"{row.value:.4f}"] for row in rows)


def plot_curves(path: Path, rows: Sequence[Row]) -> None:
    """A panel a metric: its mean over seeds against the step, with the interval as a band."""
    found, arms = grouped(rows), list(dict.fromkeys(row.arm for row in rows))
    figure = Figure(figsize=(13, 4), layout="constrained")
    for axes, metric in zip(figure.subplots(1, len(METRICS)), METRICS, strict=True):
        for arm in arms:
            steps = sorted({int(w) for m, a, w in found if (m, a) == (metric, arm)})
            means, lows, highs = zip(*[interval(found[metric, arm, str(step)]) for step in steps], strict=True)
            (line,) = axes.plot(steps, [100 * v for v in means], marker="o", markersize=3, label=arm)
            axes.fill_between(
                steps, [100 * v for v in lows], [100 * v for v in highs], color=line.get_color(), alpha=0.12
            )
        axes.set_title(f"{metric}, % of validation problems")
        axes.set_xlabel("step")
    figure.axes[0].legend(fontsize="small")
    figure.savefig(path, dpi=110)


def plot_splits(path: Path, rows: Sequence[Row]) -> None:
    """A panel a metric: a bar for every split and arm, with the interval."""
    found, arms = grouped(rows), list(dict.fromkeys(row.arm for row in rows))
    figure = Figure(figsize=(13, 9), layout="constrained")
    for axes, metric in zip(figure.subplots(len(METRICS), 1), METRICS, strict=True):
        for index, arm in enumerate(arms):
            places = [at + (index - (len(arms) - 1) / 2) * 0.8 / len(arms) for at in range(len(SPLITS))]
            three = [interval(found[metric, arm, split]) for split in SPLITS]
            error = [[100 * (mean - low) for mean, low, _ in three], [100 * (high - mean) for mean, _, high in three]]
            heights = [100 * mean for mean, _, _ in three]
            axes.bar(places, heights, 0.8 / len(arms), yerr=error, error_kw={"linewidth": 0.7}, label=arm)
        axes.set_xticks(range(len(SPLITS)), SPLITS)
        axes.set_ylabel(f"{metric}, %")
        axes.set_ylim(bottom=0)
    figure.axes[0].legend(fontsize="small", ncols=3)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Train what is missing, evaluate it, and write tables and pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--start", required=True, help="the checkpoint that every arm starts from")
    parser.add_argument("--data", required=True, help="a dataset with the configurations sft and rl")
    parser.add_argument("--narrow", required=True, help="another, of few operations")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rows", type=int, default=200, help="problems of a split")
    parser.add_argument("settings", nargs="*", help="further settings of rotbot grpo")
    given = parser.parse_intermixed_args()
    curves, ends = list[Row](), list[Row]()
    start = evaluate(given.start, given.out / START, given.rows)
    ends += [Row(START, 0, split, name, value) for split, found in start.items() for name, value in found.items()]
    for seed in map(int, given.seeds.split(",")):  # seed by seed: what is broken off has whole seeds
        for arm in (*ARMS, SFT):
            run = given.out / arm / str(seed)
            train(run, arm, seed, given)
            found = evaluate(str(run / "model"), run / "eval", given.rows)
            ends += [Row(arm, seed, split, name, value) for split, one in found.items() for name, value in one.items()]
            if arm != SFT:
                curves += [
                    Row(arm, seed, str(line["step"]), name, line[f"validation_{name}"])
                    for line in metrics(run)
                    for name in METRICS
                    if f"validation_{name}" in line
                ]
        write_csv(given.out / "curves.csv", "step", curves)
        write_csv(given.out / "splits.csv", "split", ends)
        plot_curves(given.out / "curves.png", curves)
        plot_splits(given.out / "splits.png", ends)


if __name__ == "__main__":
    main()
