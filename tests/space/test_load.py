"""Fifty visitors of the page's own answer at once: each hears something at once, and sees its own answer."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from rotbot.space.app import _answer
from rotbot.space.links import Filled
from rotbot.space.service import Service, Settings
from tests.truthful import TruthfulEngine

VISITORS = 50


async def visitor(service, size, heard, engine):
    """The last of what is shown; the engine starts to write when all have heard something."""
    filled = Filled("q = x.flatten()\nz = q[None]", (("x", f"{size}, 3"),), "z")
    shown = []
    async for note, steps, verdict, _ in _answer(service, ("embedded",), filled, 256, 0):
        if not shown:
            heard.add(size)
            if len(heard) == VISITORS:
                engine.going.set()
        shown.append((note, steps, verdict))
    return shown


def test_none_waits_without_a_sign_and_none_gets_anothers_answer():
    engine = TruthfulEngine(going=False)
    service = Service(lambda model: engine, Settings(running=4, waiting=VISITORS))
    heard = set()

    async def everybody():
        tasks = [visitor(service, size, heard, engine) for size in range(1, VISITORS + 1)]
        return await asyncio.wait_for(asyncio.gather(*tasks), 300)

    # In a thread of its own: this one may still carry the event loop of the browser tests' Playwright.
    with ThreadPoolExecutor(1) as thread:
        seen = thread.submit(lambda: asyncio.run(everybody())).result()
    service.close()
    assert len(heard) == VISITORS  # although the engine had not written a word
    for size, shown in enumerate(seen, 1):
        assert "✓" in shown[-1][2]
        assert shown[-1][1].count(f">[1, {3 * size}]</b>") == 4
    assert sum("In the queue: place" in note for shown in seen for note, _, _ in shown) > VISITORS / 2
