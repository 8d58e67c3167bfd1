"""Pictures of the web demo for the README, written to docs/images/space-*.png.

    python tools/space_pictures.py URL

URL is that of a running page (``rotbot space --no-open``). Needs Playwright and a Chromium.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import sync_playwright

from rotbot.space.examples import EXAMPLES, Example
from rotbot.space.links import Filled, to_query

FOLDER = Path(__file__).parent.parent / "docs" / "images"
PATIENCE_MS = 120_000
TWO_COLUMNS = 760
"""Above this many pixels form and answer stand side by side (``rotbot/space/style.css``)."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture: the example it shows, its width in pixels, its colours."""

    name: str
    title: str
    width: int = 1280
    dark: bool = False


SHOTS = (
    Shot("desktop", "Attention scores"),
    Shot("phone", "Attention scores", width=390),
    Shot("dark", "Rotary embedding", dark=True),
    Shot("error", "Wrong: the values lost a row"),
)


def main() -> None:
    """Open each example, let the model answer, and keep what is on the screen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="the running page, for example http://127.0.0.1:7860/")
    url = parser.parse_args().url
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    examples: dict[str, Example] = {example.title: example for example in EXAMPLES}
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for shot in SHOTS:
            example = examples[shot.title]
            page = browser.new_page(
                viewport={"width": shot.width, "height": 900}, color_scheme="dark" if shot.dark else "light"
            )
            page.set_default_timeout(PATIENCE_MS)
            page.goto(f"{url}?{to_query(Filled(example.code, example.args, example.target))}")
            page.get_by_role("table", name="Ground truth").wait_for()
            page.get_by_role("button", name="Run the model").click()
            page.locator("#verdict .verdict").wait_for()
            if shot.width > TWO_COLUMNS:
                page.evaluate("scrollTo(0, 0)")  # on one column the page has gone to the answer
            page.screenshot(path=FOLDER / f"space-{shot.name}.png")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
