"""The page in a real headless Chromium, on an engine whose pace the test sets."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, sync_playwright

from rotbot.errors import InputError
from rotbot.shapes.isolation import worker_pid
from rotbot.space.app import build, launch
from rotbot.space.service import Service
from tests.truthful import TruthfulEngine

PATIENCE_MS = 90_000
"""How long a page may take on a machine that does other things: every wait is for a condition, not for this time."""


@dataclass
class Site:
    """A running page: its address, the engines that it opened, and whether the next may be opened."""

    url: str = ""
    engines: list[TruthfulEngine] = field(default_factory=list)
    going: bool = True

    def open_engine(self, model):
        if model != "embedded":
            raise InputError(f"no such model: {model}")
        self.engines.append(TruthfulEngine(going=self.going))
        return self.engines[-1]

    def link(self, code, target="", **shapes):
        """The deep link of a problem."""
        return f"{self.url}?{urlencode({'code': code, 'target': target} | {f'arg.{k}': v for k, v in shapes.items()})}"


@pytest.fixture(scope="session")
def chromium():
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def running_site(free_port):
    site = Site()
    service = Service(site.open_engine)
    page = build(service=service)
    worker_pid()
    _, site.url, _ = launch(
        page, server_name="127.0.0.1", server_port=free_port(), prevent_thread_lock=True, quiet=True
    )
    yield site
    page.close(verbose=False)
    service.close()


@pytest.fixture
def site(running_site):
    """The page with an engine that writes at once; what a test did to the engine is undone."""
    yield running_site
    running_site.going = True
    for engine in running_site.engines:
        engine.free_words, engine.says = 0, None
        engine.going.set()


@pytest.fixture
def visit(chromium):
    """A function that opens a visitor's own page. In the end: no script failed, nothing came from another host."""
    contexts, failures, foreign = [], [], []

    def open_page(url, *, width=1280, dark=False) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", reduced_motion="reduce"
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.on("request", lambda request: "127.0.0.1" in request.url or foreign.append(request.url))
        page.goto(url)
        page.get_by_role("table").first.or_(page.locator(".status").first).first.wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert failures == []
    assert not [url for url in foreign if not url.startswith(("data:", "blob:"))]
