from dataclasses import replace

import pytest
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from rotbot.errors import InputError
from rotbot.models import SIZES, ModelConfig, parameter_count, size

SHARED = {
    "model_type": "qwen3", "vocab_size": 151936, "num_key_value_heads": 8, "head_dim": 128, "rms_norm_eps": 1e-6,
    "max_position_embeddings": 40960, "rope_theta": 1000000, "hidden_act": "silu", "attention_bias": False,
    "use_sliding_window": False, "rope_scaling": None, "initializer_range": 0.02,
}  # fmt: skip
# The published config.json files and total parameter counts (a tied embedding counted once).
PUBLISHED = {
    "qwen3-0.6b": (1024, 28, 16, 3072, True, 596_049_920),
    "qwen3-1.7b": (2048, 28, 16, 6144, True, 1_720_574_976),
    "qwen3-4b": (2560, 36, 32, 9728, True, 4_022_468_096),
    "qwen3-8b": (4096, 36, 32, 12288, False, 8_190_735_360),
}


def published(name: str) -> dict[str, object]:
    dim, layers, heads, ffn, tied, _ = PUBLISHED[name]
    return SHARED | {
        "hidden_size": dim, "num_hidden_layers": layers, "num_attention_heads": heads, "intermediate_size": ffn,
        "tie_word_embeddings": tied,
    }  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameter_counts_are_those_of_the_published_models(name):
    with torch.device("meta"):
        theirs = Qwen3ForCausalLM(Qwen3Config(**{k: v for k, v in published(name).items() if k != "rope_scaling"}))
    assert sum(p.numel() for p in theirs.parameters()) == PUBLISHED[name][-1]
    assert parameter_count(SIZES[name]) == PUBLISHED[name][-1]


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_config_reads_as_the_size_in_the_table(name):
    assert ModelConfig.from_transformers(published(name)) == SIZES[name]


def test_thinking_2507_differs_from_the_4b_in_its_rope_and_length_only():
    assert SIZES["qwen3-4b-thinking-2507"] == replace(SIZES["qwen3-4b"], rope_base=5e6, max_positions=262_144)


def test_tiny_is_small_enough_to_ship_and_its_size_can_be_varied():
    assert parameter_count(SIZES["tiny"]) == 1024 * 256 + 256 + 6 * (
        2 * 256 * 256 + 2 * 256 * 128 + 2 * 64 + 3 * 256 * 768 + 2 * 256
    )
    assert parameter_count(SIZES["tiny"]) < 8_000_000
    shorter = parameter_count(replace(SIZES["tiny"], vocab_size=768))
    assert parameter_count(SIZES["tiny"]) - shorter == 256 * 256


@pytest.mark.parametrize("name", SIZES)
def test_config_json_goes_there_and_back_also_through_transformers(name):
    body = SIZES[name].to_transformers()
    assert ModelConfig.from_transformers(body) == SIZES[name]
    assert ModelConfig.from_transformers(Qwen3Config(**body).to_dict()) == SIZES[name]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "llama"}, "expected model_type 'qwen3', got 'llama'"),
        ({"attention_bias": True}, "only attention_bias False is supported, got True"),
        ({"use_sliding_window": True}, "only use_sliding_window False"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "only rope_type 'default' is supported, got 'yarn'"),
        ({"hidden_act": "gelu"}, "only hidden_act 'silu'"),
        ({"rope_theta": None}, "expected rope_theta"),
        ({"hidden_size": "1024"}, "dim must be a positive integer, got '1024'"),
    ],
)
def test_a_config_that_is_not_built_here_says_what_is_wrong(change, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        ModelConfig.from_transformers(published("qwen3-0.6b") | change)


def test_a_missing_key_is_named():
    body = published("qwen3-0.6b")
    del body["intermediate_size"]
    with pytest.raises(InputError, match="the key 'intermediate_size' is missing"):
        ModelConfig.from_transformers(body)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kv_heads": 3}, "heads must be a multiple of kv_heads, got 4 and 3"),
        ({"dim": 250}, "dim must be a multiple of heads, got 250 and 4"),
        ({"head_dim": 33}, "head_dim must be even"),
        ({"layers": 0}, "layers must be a positive integer, got 0"),
        ({"layers": True}, "layers must be a positive integer, got True"),
        ({"rope_base": -1.0}, "rope_base must be a positive number"),
    ],
)
def test_numbers_that_make_no_model_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        replace(SIZES["tiny"], **change)


def test_an_unknown_size_names_the_nearest():
    assert size("tiny") is SIZES["tiny"]
    with pytest.raises(InputError, match=r"got 'Qwen3-4'; did you mean 'qwen3-4b'\?"):
        size("Qwen3-4")
