"""Colours and type of the page: Gradio's Soft theme with text dark enough to read (WCAG AA, 4.5 to 1)."""

from __future__ import annotations

import gradio as gr


def theme() -> gr.themes.Soft:
    """The system's fonts, so that nothing is loaded; labels, hints and the main button with more contrast."""
    soft = gr.themes.Soft(
        font=("ui-sans-serif", "system-ui", "sans-serif"), font_mono=("ui-monospace", "Consolas", "monospace")
    )
    soft.set(
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_label_text_color="*primary_700",
        block_title_text_color="*primary_700",
        input_placeholder_color="*neutral_600",
        input_placeholder_color_dark="*neutral_300",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_hover_dark="*primary_700",
    )
    return soft
