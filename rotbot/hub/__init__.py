"""The Hub at both ends of the work: which dataset or model a user means, fetching it, pushing folders with cards.

``ids``, ``trouble`` and ``fetch`` know only the Hub; ``cards``, ``push`` and ``pull`` know what rotbot's folders hold.
"""
