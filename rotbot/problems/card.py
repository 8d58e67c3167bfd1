"""The card of a generated dataset: the folder's README.md, which also tells ``load_dataset`` where the splits are."""

from __future__ import annotations

import hashlib
from pathlib import Path

from rotbot import __version__
from rotbot.problems.parts import Recipe
from rotbot.problems.plots import plot_distributions
from rotbot.problems.shards import SCHEMA
from rotbot.problems.splits import CONFIGS, HELD_OUT_OPS, HELD_OUT_PAIRS_PERCENT, MAX_DEPTH, MAX_RANK, MAX_SIZE
from rotbot.problems.tally import Tally
from rotbot.problems.vocabulary import family_of

TEMPLATE = Path(__file__).parent.parent / "_cards" / "dataset" / "sft.md.j2"
PICTURE = "distributions.png"
SIZE_CATEGORIES = (
    (1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"),
)  # fmt: skip


def content_hash(folder: Path) -> str:
    """SHA-256 of all Parquet files of a dataset's folder, one after the other, in the order of their paths."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*/*.parquet"), key=str):
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _features(configs: list[str]) -> str:
    """The columns as the Hub reads them: ``dataset_info`` of the card's front matter."""
    from datasets import DatasetInfo, Features
    from datasets.info import DatasetInfosDict
    from huggingface_hub import DatasetCardData

    features, data = Features.from_arrow_schema(SCHEMA), DatasetCardData()
    infos = {config: DatasetInfo(features=features, config_name=config) for config in configs}
    DatasetInfosDict(infos).to_dataset_card_data(data)
    return data.to_yaml()


def render_card(recipe: Recipe, tally: Tally, content: str) -> str:
    """The text of the card: YAML front matter, how to load, one row, the columns, the command, the counts.

    ``content`` is the :func:`content_hash` of the data.
    """
    from jinja2 import Environment, StrictUndefined

    families: dict[str, list[tuple[str, int]]] = {}
    for op, count in tally.ops.most_common():
        families.setdefault(family_of(op), []).append((op, count))
    shares = [
        (family, f"{100 * share:.1f}%", ", ".join(f"{op} {n}" for op, n in families[family]))
        for family, share in tally.families.items()
    ]
    numbers = [level.number for level in recipe.levels]
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    configs = {
        config: [
            (split, tally.splits[place], tally.near[place], tally.overlaps[place])
            for split in names
            if tally.splits[place := f"{config}/{split}"]
        ]
        for config, names in CONFIGS.items()
    }
    return environment.from_string(TEMPLATE.read_text()).render(
        version=__version__,
        content=content,
        features=_features([config for config, splits in configs.items() if splits]),
        recipe=recipe,
        rows=tally.rows,
        size_category=next((name for most, name in SIZE_CATEGORIES if tally.rows < most), "10M<n<100M"),
        level_range=f"{numbers[0]}-{numbers[-1]}" if len(numbers) > 1 else str(numbers[0]),
        picture=PICTURE,
        configs={config: splits for config, splits in configs.items() if splits},
        levels=[(level.number, *level.depth, tally.levels[level.number]) for level in recipe.levels],
        depths=sorted(tally.depths.items()),
        ranks=sorted(tally.ranks.items()),
        styles=sorted(tally.styles.items()),
        outcomes=sorted(tally.outcomes.items()),
        families=shares,
        n_ops=len(tally.ops),
        tally=tally,
        bounds=(MAX_DEPTH, MAX_RANK, MAX_SIZE),
        held_out=sorted(HELD_OUT_OPS),
        pairs_percent=HELD_OUT_PAIRS_PERCENT,
        sample=tally.sample,
    )


def write_card(folder: Path, recipe: Recipe, tally: Tally) -> None:
    """Write the card to ``folder/README.md`` and its picture beside it."""
    plot_distributions(tally, folder / PICTURE)
    (folder / "README.md").write_text(render_card(recipe, tally, content_hash(folder)))
