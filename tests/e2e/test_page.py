"""What visitors do with the page, in a real browser."""

from __future__ import annotations

import re
import time
from io import BytesIO

import pytest
from axe_playwright_python.sync_playwright import Axe
from gradio_client import Client
from PIL import Image, ImageStat
from playwright.sync_api import expect

from rotbot.space.examples import EXAMPLES
from tests.e2e.conftest import PATIENCE_MS

pytestmark = pytest.mark.slow
expect.set_options(timeout=PATIENCE_MS)

ATTENTION = "q = x.view(2, 5, 4, 8).transpose(1, 2)\ns = q @ q.mT\ny = s.softmax(-1)"
WRONG = "a = x.flatten(1)\ny = a @ x"
HOSTILE = "<img src=x onerror=alert(1)>${alert(2)}{{7*66067}}"


def editor(page):
    return page.get_by_role("textbox", name="PyTorch code").or_(page.locator(".cm-content").first).first


def write(page, code):
    """Replace the editor's text as a person does, with the keyboard.

    Pasted over the selection: Gradio's editor can drop what is inserted within a millisecond of another change.
    """
    editor(page).click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(code)


def give(page, name, shape):
    """Type a shape over what stands there."""
    box = page.get_by_label(f"Shape of {name}")
    box.click()
    page.keyboard.press("Control+A")
    box.press_sequentially(shape)


def run(page):
    page.get_by_role("button", name="Run the model").click()


def verdict(page):
    return page.locator("#verdict .verdict")


def wait_until(done):
    """Until what the page's server did is seen here."""
    end = time.monotonic() + PATIENCE_MS / 1000
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_type_code_fill_shapes_run_and_read_the_verdict(visit, site):
    page = visit(site.url)
    write(page, "h = query @ key.mT\nout = h.sum(0)")
    give(page, "query", "2, 3, 5")
    expect(page.locator(".status.todo")).to_contain_text("Give key a shape")
    give(page, "key", "2, 4, 5")
    truth = page.get_by_role("table", name="Ground truth")
    expect(truth.locator("tr.final")).to_contain_text("[3, 4]")
    expect(page.get_by_label("Target")).to_have_value("out")
    run(page)
    expect(verdict(page)).to_contain_text("✓")
    both = page.get_by_role("table", name="The model beside the ground truth")
    assert both.locator("td.marks").all_inner_texts() == ["✓ match"] * 4
    expect(verdict(page)).to_contain_text(re.compile(r"\d+ tokens in [\d.]+ s \([\d,]+ tokens/s\) · truthful"))


def test_the_target_is_the_last_name_until_another_is_chosen(visit, site):
    page = visit(site.url)
    target = page.get_by_label("Target")
    write(page, "h = x.flatten(1)")
    expect(target).to_have_value("h")
    give(page, "x", "2, 3, 4")
    editor(page).click()
    page.keyboard.press("Control+End")
    page.keyboard.type("\ny = h.sum(0)", delay=30)
    expect(target).to_have_value("y")
    expect(page.locator("tr.final")).to_contain_text("[12]")
    target.click()
    page.get_by_role("option", name="h").click()
    expect(page.locator("tr.final")).to_contain_text("[2, 12]")
    editor(page).click()
    page.keyboard.press("Control+End")
    page.keyboard.type("\nz = y[None]", delay=30)
    target.click()
    expect(page.get_by_role("option", name="z")).to_be_visible()
    page.keyboard.press("Escape")
    expect(target).to_have_value("h")


def test_a_shape_that_is_pasted_counts_when_its_box_is_left(visit, site):
    page = visit(site.link(ATTENTION, "s", x="2, 5, 32"))
    expect(page.locator("tr.final")).to_contain_text("[2, 4, 5, 5]")
    box = page.get_by_label("Shape of x")
    box.fill("2, 5, 4, 8")  # no key is pressed, as with the mouse's menu
    box.blur()
    expect(page.locator("tr.final")).to_contain_text("[2, 4, 5, 5]")
    box.fill("2, 5, 33")
    box.blur()
    expect(page.locator("#fault")).to_contain_text("torch rejects line 1")


def test_steps_stream_and_stop_aborts_in_the_engine(visit, site):
    site.going = False
    for engine in site.engines:
        engine.going.clear()
    page = visit(site.link(ATTENTION, "y", x="2, 5, 32"))
    run(page)
    expect(page.locator(".status")).to_contain_text("The model is writing")
    both = page.get_by_role("table", name="The model beside the ground truth")
    expect(both.locator(".mark.yes")).to_have_count(0)
    engine = site.engines[-1]
    engine.free_words = len(engine.opened[-1].truth().completion().split("step 2")[0].split())
    expect(both.locator(".mark.yes").first).to_be_visible()
    expect(both.locator(".mark.now")).to_have_count(1)
    expect(verdict(page)).to_have_count(0)
    problem = engine.opened[-1]
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".status")).to_contain_text("Stopped.")
    expect(both.locator(".mark.cut")).to_have_text("stopped here")
    expect(both.locator(".mark.now")).to_have_count(0)
    engine.going.set()  # what is left can only be an abort
    run(page)
    expect(verdict(page)).to_contain_text("✓")
    assert problem in engine.aborted


def test_stop_with_nothing_under_way_leaves_what_is_said(visit, site):
    page = visit(site.link("y = x.flatten(1)", "y", x="B, 3, H"))
    expect(page.locator(".status")).to_contain_text("Holds")
    promise = page.locator(".status").inner_text()
    with page.expect_response(lambda response: "/queue/data" in response.url):
        page.get_by_role("button", name="Stop").click()
    page.wait_for_timeout(1000)
    assert page.locator(".status").inner_text() == promise


def test_an_example_that_is_chosen_far_down_the_page_is_seen(visit, site):
    page = visit(site.url, width=390)
    page.get_by_role("button", name=EXAMPLES[3].title, exact=True).click()
    expect(editor(page)).to_contain_text(EXAMPLES[3].code.splitlines()[0])
    expect(editor(page)).to_be_in_viewport()


def test_another_problem_ends_the_answer_to_the_last(visit, site):
    def writing():
        site.going = False
        for engine in site.engines:
            engine.going.clear()
        run(page)
        expect(page.locator(".status")).to_contain_text("The model is writing")
        return site.engines[-1]

    def alone(engine, shape):
        expect(page.locator("tr.final")).to_contain_text(shape)
        wait_until(lambda: engine.opened[-1] in engine.aborted)
        engine.going.set()
        expect(page.get_by_role("table", name="Ground truth")).to_be_visible()
        expect(page.get_by_role("table", name="The model beside the ground truth")).to_have_count(0)
        expect(page.locator(".status", has_text="writing")).to_have_count(0)

    page = visit(site.link(ATTENTION, "y", x="2, 5, 32"))
    engine = writing()
    page.get_by_role("button", name=EXAMPLES[1].title, exact=True).click()
    expect(page.get_by_label(f"Shape of {EXAMPLES[1].args[0][0]}", exact=True)).to_have_value(EXAMPLES[1].args[0][1])
    alone(engine, "[")
    page.goto(site.link("y = x.flatten()", "y", x="2, 7"))
    expect(page.locator("tr.final")).to_contain_text("[14]")  # the link has filled the form
    engine = writing()
    give(page, "x", "3, 7")
    alone(engine, "[21]")
    engine = writing()
    write(page, "y = x.flatten()[None]")
    alone(engine, "[1, 21]")


def test_who_leaves_the_page_or_the_queue_frees_the_engine(visit, site):
    site.going = False
    for engine in site.engines:
        engine.going.clear()
    page = visit(site.link("y = x.flatten()", "y", x="11, 7"))
    run(page)
    expect(page.locator(".status")).to_contain_text("The model is writing")
    engine = site.engines[-1]
    problem = engine.opened[-1]
    page.context.close()
    wait_until(lambda: problem in engine.aborted)


def test_an_answer_stays_when_a_box_is_only_visited(visit, site):
    page = visit(site.link("y = x.flatten()", "y", x="2, 7"))
    run(page)
    expect(verdict(page)).to_contain_text("✓")
    page.get_by_label("Shape of x").focus()
    with page.expect_response(lambda response: "/queue/join" in response.url):
        page.get_by_role("button", name="Stop").focus()
    page.wait_for_timeout(2000)  # what would wipe it comes after this answer
    expect(verdict(page)).to_contain_text("✓")


LIES = f"""step 0: flatten | [2, 7] -> [13]
{HOSTILE}
step 1: add dimension at position 0 | [13] -> [1, 13]
</think>
final: [1, 14] {HOSTILE}
final: [1, 14]"""


def test_a_wrong_and_hostile_answer_is_marked_and_shown_as_text(visit, site):
    page = visit(site.link("h = x.flatten()\ny = h[None]", "y", x="2, 7"))
    run(page)
    expect(verdict(page)).to_contain_text("✓")
    site.engines[-1].says = LIES
    spoken = []
    page.on("dialog", lambda dialog: (spoken.append(dialog.message), dialog.dismiss()))
    run(page)
    expect(verdict(page)).to_contain_text("✗")
    both = page.get_by_role("table", name="The model beside the ground truth")
    assert both.locator("td.marks").all_inner_texts()[:2] == ["✗ differs"] * 2
    expect(both).to_contain_text("unreadable: <img src=x onerror=alert(1)>")
    page.get_by_text("What the model wrote").click()
    expect(page.locator(".answer pre").last).to_contain_text("onerror=alert(1)")
    assert page.locator(".answer img").count() == 0
    assert "462469" not in page.locator(".answer").inner_text()
    assert spoken == []


def test_a_wrong_program_has_its_fault_underlined_with_the_reason(visit, site):
    page = visit(site.link(WRONG, "y", x="2, 3, 4"))
    fault = page.locator("#fault")
    expect(fault.locator("mark")).to_have_text("a @ x")
    expect(fault.locator("mark")).to_have_css("text-decoration-line", "underline")
    expect(fault).to_contain_text("✗ torch rejects line 2 (step 1)")
    expect(page.locator("tr.final")).to_contain_text("error at step 1")


@pytest.mark.parametrize(
    ("code", "shapes"),
    [(f"y = x.flatten()  # {HOSTILE}\nz = y @ y[None]", {"x": "2, 3"}), (f"y = x + '{HOSTILE}'", {"x": HOSTILE})],
    ids=["code", "shape"],
)
def test_markup_is_shown_as_text_and_nothing_runs(visit, site, code, shapes):
    page = visit(site.url)
    spoken = []
    page.on("dialog", lambda dialog: (spoken.append(dialog.message), dialog.dismiss()))
    page.goto(site.link(code, "", **shapes))
    expect(page.locator(".answer")).to_contain_text("onerror=alert(1)")
    assert page.locator(".answer img").count() == 0
    assert "462469" not in page.locator(".answer").inner_text()
    assert spoken == []


def test_every_example_opens_and_is_traced(visit, site):
    page = visit(site.url)
    for example in EXAMPLES:
        page.get_by_role("button", name=example.title, exact=True).click()
        expect(page.get_by_label(f"Shape of {example.args[0][0]}", exact=True)).to_have_value(example.args[0][1])
        expect(page.locator("#way title")).to_have_text(f"The way of {example.target} through the program")
        final = page.locator("#steps tr.final")
        expect(final).to_contain_text("error at step" if example.title.startswith("Wrong") else "[")


def test_a_link_opens_filled_in_and_copies_itself(visit, site):
    url = site.link(ATTENTION, "s", x="2, 5, 32")
    page = visit(url)
    expect(page.get_by_label("Shape of x")).to_have_value("2, 5, 32")
    expect(page.get_by_label("Target")).to_have_value("s")
    expect(page.locator("tr.final")).to_contain_text("[2, 4, 5, 5]")
    give(page, "x", "2,5,32,1")
    expect(page.locator("#fault").or_(page.locator("tr.final"))).not_to_have_count(0)
    local = page.locator("label", has_text="Run this locally").locator("textarea")
    expect(local).to_have_value(re.compile("--arg x=2,5,32,1"))
    page.get_by_label("Model", exact=True).fill("owner/name")
    page.keyboard.press("Enter")
    expect(local).to_have_value(re.compile("^rotbot predict owner/name -c"))
    page.get_by_role("button", name="Copy link").click()
    page.wait_for_url("**model=owner%2Fname**arg.x=2%2C5%2C32%2C1**")
    expect(page.locator("#copied")).to_contain_text(re.compile("Copied|address bar"))


def test_two_visitors_see_their_own_answers_side_by_side(visit, site):
    for engine in site.engines:
        engine.going.clear()
    site.going = False
    pages = [visit(site.link("y = x.flatten()", "y", x=f"{size}, 7")) for size in (3, 5)]
    for page in pages:
        run(page)
        expect(page.locator(".status")).to_contain_text("The model is writing")
    site.engines[-1].going.set()
    for page, size in zip(pages, (21, 35), strict=True):
        expect(verdict(page)).to_contain_text("✓")
        assert page.locator("tr.final b").all_inner_texts() == [f"[{size}]"] * 2


def test_a_broken_engine_is_said_and_the_next_run_works(visit, site):
    for engine in site.engines:
        engine.going.clear()
    site.going = False
    page = visit(site.link("y = x.flatten()", "y", x="2, 7"))
    run(page)
    expect(page.locator(".status")).to_contain_text("The model is writing")
    broken, site.going = site.engines[-1], True
    broken.free_words = 4
    expect(page.locator(".mark.now")).to_be_visible()
    broken.broken = True
    expect(page.locator(".status.bad")).to_contain_text("Press Run once more")
    expect(page.locator(".mark.cut")).to_have_text("stopped here")
    expect(page.locator("#steps tr.final")).to_contain_text("[14]")
    run(page)
    expect(verdict(page)).to_contain_text("✓")
    assert broken.closed


def test_a_model_that_cannot_be_loaded_leaves_the_truth_and_the_others(visit, site):
    page = visit(f"{site.link('y = x.flatten()', 'y', x='2, 7')}&model=owner%2Fnone")
    expect(page.locator("#steps tr.final")).to_contain_text("[14]")
    run(page)
    expect(page.locator(".status.bad")).to_have_text(
        "The model cannot be loaded: no such model: owner/none. Choose another; the ground truth needs none."
    )
    expect(page.locator("#steps tr.final")).to_contain_text("[14]")
    expect(verdict(page)).to_have_count(0)
    page.get_by_label("Model", exact=True).fill("embedded")
    page.keyboard.press("Enter")
    run(page)
    expect(verdict(page)).to_contain_text("✓")


def test_who_comes_while_all_places_are_taken_sees_a_place_in_the_queue(visit, site):
    for engine in site.engines:
        engine.going.clear()
    site.going = False
    page = visit(site.link("y = x.flatten()", "y", x="2, 7"))
    client = Client(site.url, verbose=False, analytics_enabled=False)
    others = [client.submit("y = x.T", {"x": [2, size]}, "y", api_name="/predict") for size in range(3, 8)]
    wait_until(lambda: site.engines and len(site.engines[-1].opened) - len(site.engines[-1].aborted) >= 4)
    run(page)
    expect(page.locator(".status")).to_contain_text(re.compile(r"In the queue: place [12]\."))
    expect(page.locator("#steps tr.final")).to_contain_text("[14]")
    site.engines[-1].going.set()
    expect(verdict(page)).to_contain_text("✓")
    assert [other.result(PATIENCE_MS / 1000)["final"]["match"] for other in others] == [True] * 5
    client.close()


def test_an_empty_form_asks_for_code_and_shows_nothing_of_the_last_one(visit, site):
    page = visit(site.link(WRONG, "y", x="2, 3, 4"))
    expect(page.locator("#fault mark")).to_be_visible()
    editor(page).click()
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    expect(page.locator(".status.todo")).to_have_text("Type or paste PyTorch code, or choose an example.")
    expect(page.get_by_label("Shape of x")).to_have_count(0)
    expect(page.locator("#way svg")).to_have_count(0)
    expect(page.locator("#fault mark")).to_have_count(0)
    expect(page.locator("#local textarea")).to_have_value("")


def test_a_program_past_the_limits_is_refused_in_a_sentence(visit, site):
    page = visit(site.link(ATTENTION, "y", x="2, 5, 32"))
    expect(page.locator("tr.final")).to_contain_text("[2, 4, 5, 5]")
    write(page, "y = x" + " + 1" * 6_000)
    expect(page.locator(".status.bad")).to_contain_text("Characters of source: at most 20000 allowed, got 24005.")
    expect(page.locator("tr.final")).to_have_count(0)
    write(page, "y = x.flatten()\nfor i in range(4000):\n    y = y + 1")
    expect(page.locator(".status.bad")).to_contain_text("orch operations in one program: at most 1500 allowed")
    write(page, "y = x.flatten()")
    expect(page.locator("tr.final")).to_contain_text("[320]")


def test_the_fx_graph_says_what_each_node_reads(visit, site):
    page = visit(site.link("a = x.T\ny = torch.cat([a, x.mT, a], dim=1)", "y", x="2, 3"), width=390)
    page.get_by_role("button", name="FX graph").click()
    lines = page.get_by_label("FX graph", exact=True).inner_text().split("\n")
    assert [line.split() for line in lines] == [
        "%0 placeholder x [2, 3] x".split(),
        "%1 call_function Tensor.T %0 [3, 2] a".split(),
        "%2 call_function Tensor.mT %0 [3, 2]".split(),
        "%3 call_function torch.cat %1, %2 [3, 6] y".split(),
    ]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_page_is_used_with_the_keyboard_alone(visit, site):
    page = visit(site.link("y = x.flatten()", "y", x="2, 7"))
    page.get_by_label("Shape of x").focus()
    seen = []
    for _ in range(12):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.innerText || document.activeElement.ariaLabel || ''").strip())
        if seen[-1] == "Run the model":
            break
    assert seen[-1] == "Run the model", seen
    page.keyboard.press("Enter")
    expect(verdict(page)).to_contain_text("✓")


def least_contrast_of_code(page):
    """The least contrast of a highlighted word, its ``brightness`` filter counted (WCAG 2.2's formula)."""
    found = page.evaluate(
        """() => {
          const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
          const back = (e) => {
            const color = rgb(getComputedStyle(e).backgroundColor);
            return color.length > 3 && color[3] === 0 ? back(e.parentElement) : color.slice(0, 3);
          };
          return [...document.querySelectorAll('.cm-line span')].map((e) => {
            const filter = getComputedStyle(e).filter.match(/brightness\\((.*)\\)/);
            return [rgb(getComputedStyle(e).color).slice(0, 3).map((c) => c * (filter ? filter[1] : 1)), back(e)];
          });
        }"""
    )
    return min(contrast(text, back) for text, back in found)


def contrast(one, other):
    dark, light = sorted(luminance(colour) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour):
    red, green, blue = (c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("code", [ATTENTION, WRONG], ids=["right", "wrong"])
def test_no_overflow_and_no_serious_finding_of_axe(visit, site, width, dark, code):
    page = visit(site.link(code, "y", x="2, 5, 32"), width=width, dark=dark)
    run(page)
    expect(verdict(page)).to_be_visible()
    for folded in ("FX graph", "What the model wrote", "Sampling"):
        page.get_by_role("button", name=folded).click()
    page.get_by_text("The picture in words").click()
    expect(page.get_by_label("raw completion")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shade = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)")
    assert (sum(shade) < 300) == dark
    seen = Image.open(BytesIO(page.screenshot(full_page=True))).convert("L")
    assert seen.width == width
    assert ImageStat.Stat(seen).mean[0] < 80 if dark else ImageStat.Stat(seen).mean[0] > 200
    assert least_contrast_of_code(page) >= 4.5
    found = Axe().run(page, {"exclude": [[".cm-line"]]}).response["violations"]  # axe does not know CSS filters
    serious = {
        finding["id"]: [node["html"][:200] for node in finding["nodes"]]
        for finding in found
        if finding["impact"] in ("serious", "critical")
    }
    assert serious == {}
