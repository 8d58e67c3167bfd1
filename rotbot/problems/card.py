"""The card of a generated dataset: the folder's README.md, which also tells ``load_dataset`` where the splits are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rotbot import __version__
from rotbot.problems.canonical import SPLITS
from rotbot.problems.families import FAMILIES
from rotbot.problems.levels import Level
from rotbot.problems.shards import Tally

TEMPLATE = Path(__file__).parent.parent / "_cards" / "dataset" / "sft.md.j2"
SIZE_CATEGORIES = (
    (1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"),
)  # fmt: skip


def render_card(seed: int, levels: Sequence[Level], tally: Tally) -> str:
    """The text of the card: YAML front matter, how to load, one row, the columns, the command, the counts."""
    from jinja2 import Environment, StrictUndefined

    calls = tally.ops.total() or 1
    families = [
        (
            family,
            f"{100 * sum(tally.ops[op.name] for op in declared) / calls:.1f}%",
            ", ".join(f"{op.name} {tally.ops[op.name]}" for op in declared),
        )
        for family, declared in FAMILIES.items()
    ]
    numbers = [level.number for level in levels]
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return environment.from_string(TEMPLATE.read_text()).render(
        version=__version__,
        seed=seed,
        rows=tally.rows,
        size_category=next((name for most, name in SIZE_CATEGORIES if tally.rows < most), "10M<n<100M"),
        level_range=f"{numbers[0]}-{numbers[-1]}" if len(numbers) > 1 else str(numbers[0]),
        splits=[(split, tally.splits[split]) for split in SPLITS if tally.splits[split]],
        levels=[(level.number, *level.depth, tally.levels[level.number]) for level in levels],
        styles=sorted(tally.styles.items()),
        families=families,
        duplicates=tally.duplicates,
        sample=tally.sample,
    )


def write_card(folder: Path, seed: int, levels: Sequence[Level], tally: Tally) -> None:
    """Write the card to ``folder/README.md``."""
    (folder / "README.md").write_text(render_card(seed, levels, tally))
