"""The web demo: a model's steps beside the FX ground truth, with a picture of the tensor's way. Gradio's only home."""
