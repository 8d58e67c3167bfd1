"""The experiment on rewards: arms of GRPO, and SFT alone, from one checkpoint, several seeds each.

    python tools/experiment.py OUT --start MODEL --data DATA --narrow NARROW --sft SFT [--seeds 1,2,3] [--steps 60]
        [--rows 200] [--arm ARM ...] [KEY=VALUE ...]

Every arm of GRPO takes as many steps of as many completions, with the recipe's optimizer, which gives all of them steps
of one length; KEY=VALUE are further settings of ``rotbot grpo`` for all of them. ``SFT alone`` trains on SFT, the
dataset that MODEL is from, for as many tokens as cost what the arm ``faithful`` did: a token drawn costs two operations
a weight, one trained on six. A run that was broken goes on where it was; one that is there is not made again. In OUT:

    curves.csv, curves.png    answers to validation problems while training, by arm and seed
    splits.csv, splits.png    the benchmark's splits (fresh problems, seed 90210) at the end, and of MODEL

Problems are answered greedily, and four times at temperature 1. Intervals are Student's, 95%, over seeds.
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
    "faithful, tree": ("rubric=faithful", "advantages=tree"),
    "faithful, narrow data": ("rubric=faithful", "advantages=outcome"),
}
SFT, START = "SFT alone", "start"
SPLITS = ("id", "ood_depth", "ood_rank", "ood_size", "ood_pair", "ood_op", "ood_style", "error")
METRICS = ("faithful", "final", "lucky")
KINDS: dict[str, tuple[str, ...]] = {"greedy": (), "sampled": ("--samples", "4", "--temperature", "1")}
"""How the benchmark is answered, and the options of ``rotbot eval`` for it."""
VALIDATION = {"greedy": "validation", "sampled": "validation_sampled"}
"""What the figures of a run are called, by how its validation problems were answered."""
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
            "sft", "--config", "tiny", "--resume", f"model.init={given.start}", f"data.dataset={given.sft}",
            f"output={run}", f"seed={seed}", f"schedule.tokens={round(tokens * (2 + 6) / 6)}", "data.max_length=1024",
            *given.sft_settings,
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


def evaluate(model: str, out: Path, rows: int) -> dict[tuple[str, str], float]:
    """Figures by split and metric, from the reports in ``out``, which are made if they are not there."""
    found: dict[tuple[str, str], float] = {}
    for kind, how in KINDS.items():
        folder = out / kind
        if not (folder / "report.json").is_file():
            options = ("--rows", str(rows), "--seed", str(EVAL_SEED), "--max-tokens", "768", "--out", str(folder), *how)
            rotbot("eval", model, "--splits", ",".join(SPLITS), *options)
        splits = json.loads((folder / "report.json").read_text(encoding="utf-8"))["splits"]
        found |= {(split, f"{kind} {name}"): splits[split][name]["value"] for split in SPLITS for name in METRICS}
    return found


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
    figure = Figure(figsize=(13, 8), layout="constrained")
    panels = figure.subplots(len(KINDS), len(METRICS), sharex=True, sharey="col")
    for kind, line_of_panels in zip(KINDS, panels, strict=True):
        for axes, metric in zip(line_of_panels, METRICS, strict=True):
            for arm in arms:
                values = {int(w): v for (m, a, w), v in found.items() if (m, a) == (f"{kind} {metric}", arm)}
                steps = sorted(values)
                means, lows, highs = zip(*[interval([100 * v for v in values[step]]) for step in steps], strict=True)
                (line,) = axes.plot(steps, means, marker="o", markersize=3, label=arm)
                axes.fill_between(steps, lows, highs, color=line.get_color(), alpha=0.12)
            axes.set_title(f"{metric}, {kind}, % of validation problems")
    for axes in panels[-1]:
        axes.set_xlabel("step")
    figure.axes[0].legend(fontsize="small")
    figure.savefig(path, dpi=110)


def plot_splits(path: Path, rows: Sequence[Row]) -> None:
    """A panel a metric: a bar for every split and arm, with the interval."""
    found, arms = grouped(rows), list(dict.fromkeys(row.arm for row in rows))
    figure = Figure(figsize=(18, 9), layout="constrained")
    panels = figure.subplots(len(METRICS), len(KINDS), sharex=True, sharey="row")
    for metric, line_of_panels in zip(METRICS, panels, strict=True):
        for axes, kind in zip(line_of_panels, KINDS, strict=True):
            for index, arm in enumerate(arms):
                places = [at + (index - (len(arms) - 1) / 2) * 0.8 / len(arms) for at in range(len(SPLITS))]
                three = [interval([100 * v for v in found[f"{kind} {metric}", arm, split]]) for split in SPLITS]
                error = [[mean - low for mean, low, _ in three], [high - mean for mean, _, high in three]]
                heights = [mean for mean, _, _ in three]
                axes.bar(places, heights, 0.8 / len(arms), yerr=error, error_kw={"linewidth": 0.7}, label=arm)
            axes.set_xticks(range(len(SPLITS)), SPLITS)
            axes.set_ylabel(f"{metric}, {kind}, %")
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
    parser.add_argument("--sft", required=True, help="another with the configuration sft, of MODEL's kind of answers")
    parser.add_argument("--sft-settings", nargs="*", default=[], help="settings of rotbot sft for SFT alone")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rows", type=int, default=200, help="problems of a split")
    parser.add_argument(
        "--arm", action="append", choices=[*ARMS, SFT], help="one of the arms to make (again for more); all by default"
    )
    parser.add_argument("settings", nargs="*", help="further settings of rotbot grpo")
    given = parser.parse_intermixed_args()
    given.arm = given.arm or [*ARMS, SFT]
    if SFT in given.arm and "faithful" not in given.arm:
        parser.error(f"{SFT!r} takes as long as the arm 'faithful': expected that too")
    curves, ends = list[Row](), list[Row]()
    start = evaluate(given.start, given.out / START, given.rows)
    ends += [Row(START, 0, split, name, value) for (split, name), value in start.items()]
    for seed in map(int, given.seeds.split(",")):  # seed by seed: what is broken off has whole seeds
        for arm in [arm for arm in (*ARMS, SFT) if arm in given.arm]:
            run = given.out / arm / str(seed)
            train(run, arm, seed, given)
            found = evaluate(str(run / "model"), run / "eval", given.rows)
            ends += [Row(arm, seed, split, name, value) for (split, name), value in found.items()]
            if arm != SFT:
                curves += [
                    Row(arm, seed, str(line["step"]), f"{kind} {name}", line[f"{prefix}_{name}"])
                    for line in metrics(run)
                    for kind, prefix in VALIDATION.items()
                    for name in METRICS
                    if f"{prefix}_{name}" in line
                ]
        write_csv(given.out / "curves.csv", "step", curves)
        write_csv(given.out / "splits.csv", "split", ends)
        plot_curves(given.out / "curves.png", curves)
        plot_splits(given.out / "splits.png", ends)


if __name__ == "__main__":
    main()
