"""``python -m rotbot.problems.families`` prints the ops of every family, and how many torch operations they are."""

from __future__ import annotations

from rotbot.problems.families import FAMILIES, torch_operations


def main() -> None:
    """Print one line for each family and the counts."""
    for family, ops in FAMILIES.items():
        print(f"{family} ({len(ops)}): {' '.join([op.name for op in ops])}")
    print(f"{len(torch_operations())} torch operations in {len(FAMILIES)} families")


if __name__ == "__main__":
    main()
