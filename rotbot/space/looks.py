"""Colours and type of the page: Gradio's Soft theme with text dark enough to read (WCAG AA, 4.5 to 1)."""

from __future__ import annotations

import gradio as gr


def theme() -> gr.themes.Soft:
    """The system's fonts, so that nothing is loaded; labels, hints and the main button with more contrast; fields and
    buttons with an edge, and a ground that sets them off."""
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
        body_background_fill="*neutral_50",
        block_border_width="1px",
        block_shadow="none",
        input_border_width="1px",
        input_border_color="*neutral_400",
        input_border_color_dark="*neutral_500",
        input_shadow="none",
        button_border_width="1px",
        button_secondary_background_fill="white",
        button_secondary_border_color="*neutral_400",
        button_secondary_border_color_dark="*neutral_500",
        button_secondary_shadow="none",
    )
    return soft
