import json
import os
import signal

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

from rotbot.errors import InputError
from rotbot.models import encode_example, load_folder, save_folder, to_transformers
from rotbot.models.weights import from_transformers, read_state

MESSAGES = [{"role": "user", "content": "Code: 'q = s[None, :]'\nArgs: {'s': [16]}\nTarget: q"}]


def bits(tensor):
    return tensor.contiguous().view(torch.uint8)


def test_names_go_there_and_back_bit_for_bit(model, config):
    state = model.state_dict()
    theirs = to_transformers(state, config)
    assert ("lm_head.weight" in theirs) is not config.tied
    assert theirs["model.layers.2.self_attn.o_proj.weight"] is state["layers.2.attn.output_proj.weight"]
    back = from_transformers(theirs, config)
    assert back.keys() == state.keys()
    assert all(back[name] is state[name] for name in state)


def test_every_name_is_one_of_transformers(config, make_model):
    with torch.device("meta"):
        theirs = Qwen3ForCausalLM(Qwen3Config(**config.to_transformers()))
    expected = {name: p.shape for name, p in theirs.named_parameters()}
    ours = to_transformers(make_model(config).state_dict(), config)
    assert {name: t.shape for name, t in ours.items()} == expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_folder_goes_there_and_back_bit_for_bit(model, config, tokenizer, tmp_path, dtype):
    save_folder(tmp_path / "m", model, config, tokenizer, dtype)
    loaded, loaded_config, loaded_tokenizer = load_folder(tmp_path / "m")
    assert loaded_config == config
    for name, tensor in model.state_dict().items():
        assert torch.equal(bits(loaded.state_dict()[name]), bits(tensor.to(dtype))), name
    assert loaded_tokenizer.get_vocab() == tokenizer.get_vocab()
    loaded.to(torch.float32)
    again = tmp_path / "again"
    save_folder(again, loaded.state_dict(), config, loaded_tokenizer, dtype)
    for name in ("model.safetensors", "config.json", "generation_config.json", "tokenizer.json"):
        assert (again / name).read_bytes() == (tmp_path / "m" / name).read_bytes(), name


def test_a_loaded_model_computes_and_trains_like_the_saved_one(model, config, tokenizer, tmp_path):
    save_folder(tmp_path / "m", model, config, tokenizer)
    loaded, _, _ = load_folder(tmp_path / "m")
    tokens = torch.arange(100).reshape(2, 50)
    assert torch.equal(loaded(tokens), model(tokens))
    assert all(p.requires_grad for p in loaded.parameters())
    before = (tmp_path / "m" / "model.safetensors").read_bytes()
    with torch.no_grad():
        for parameter in loaded.parameters():
            parameter.add_(1.0)
    assert (tmp_path / "m" / "model.safetensors").read_bytes() == before


def test_transformers_loads_the_folder(model, config, tokenizer, tmp_path):
    save_folder(tmp_path / "m", model, config, tokenizer)
    theirs, their_tokenizer = (c.from_pretrained(tmp_path / "m") for c in (AutoModelForCausalLM, AutoTokenizer))
    assert isinstance(theirs, Qwen3ForCausalLM)
    assert theirs.dtype == torch.float32
    end, stop = (tokenizer.convert_tokens_to_ids(t) for t in ("<|im_end|>", "<|endoftext|>"))
    assert theirs.generation_config.eos_token_id == [end, stop]
    assert theirs.config.eos_token_id == end
    assert theirs.config.pad_token_id == stop
    prompt, completion = encode_example(tokenizer, MESSAGES, "step 0: x | [16] -> [1, 16]\n</think>\nfinal: [1, 16]")
    assert encode_example(their_tokenizer, MESSAGES, "step 0: x | [16] -> [1, 16]\n</think>\nfinal: [1, 16]") == (
        prompt,
        completion,
    )
    tokens = torch.tensor([prompt + completion])
    with torch.no_grad():
        assert (theirs(tokens).logits - model(tokens)).abs().max() < 1e-5


def test_sharded_checkpoints_of_transformers_are_read(model, config, tokenizer, tmp_path):
    save_folder(tmp_path / "m", model, config, tokenizer)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "m")
    tokenizer.save_pretrained(tmp_path / "shards")
    theirs.save_pretrained(tmp_path / "shards", max_shard_size="100KB")
    shards = sorted(p.name for p in (tmp_path / "shards").glob("*.safetensors"))
    assert len(shards) > 2
    loaded, loaded_config, _ = load_folder(tmp_path / "shards")
    assert loaded_config == config
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    (tmp_path / "shards" / shards[1]).unlink()
    with pytest.raises(InputError, match=f"lists {shards[1]}, which is missing"):
        load_folder(tmp_path / "shards")


def test_a_stored_head_of_a_tied_model_is_dropped(make_config, make_model):
    config = make_config(tied=True)
    state = make_model(config).state_dict()
    stored = to_transformers(state, config) | {"lm_head.weight": state["tok_embeddings.weight"]}
    assert from_transformers(stored, config).keys() == state.keys()


def test_weights_that_do_not_fit_are_named(tokenizer, tmp_path, make_config, make_model):
    config = make_config(tied=False)
    theirs = to_transformers(make_model(config).state_dict(), config)
    del theirs["lm_head.weight"]
    theirs["model.layers.0.self_attn.q_proj.bias"] = torch.zeros(128)
    with pytest.raises(InputError, match=r"1 missing \['lm_head.weight'\], 1 unknown .*q_proj\.bias"):
        from_transformers(theirs, config)
    with pytest.raises(InputError, match="the tokenizer has 357 tokens, the model only 356"):
        save_folder(tmp_path / "m", {}, make_config(True, vocab_size=356), tokenizer)
    assert not (tmp_path / "m").exists()


def test_a_folder_that_does_not_fit_says_which_file(tokenizer, tmp_path, make_config, make_model):
    config, folder = make_config(tied=True), tmp_path / "m"
    save_folder(folder, make_model(config), config, tokenizer)
    body = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(body | {"intermediate_size": 100}))
    with pytest.raises(InputError, match=r"layers\.0\.mlp\.w1\.weight: expected \[100, 64\], got \[96, 64\]"):
        load_folder(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json: not readable as JSON"):
        load_folder(folder)
    (folder / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(InputError, match=r"model\.safetensors: not a readable safetensors file"):
        read_state(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"expected model\.safetensors or model\.safetensors\.index\.json"):
        read_state(folder)


class KilledWhileSaving:
    """A tokenizer in whose turn the machine loses power: the weights are written by then, the rest is not."""

    def __init__(self, tokenizer):
        self._tokenizer = tokenizer

    def __len__(self):
        return len(self._tokenizer)

    def __getattr__(self, name):
        return getattr(self._tokenizer, name)

    def save_pretrained(self, folder):
        assert (folder / "model.safetensors").stat().st_size > 100_000
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_killed_while_saving_leaves_the_old_folder_whole(tokenizer, tmp_path, make_config, make_model):
    config, folder = make_config(tied=True), tmp_path / "m"
    save_folder(folder, make_model(config, seed=1), config, tokenizer)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    child = os.fork()
    if child == 0:
        save_folder(folder, make_model(config, seed=2), config, KilledWhileSaving(tokenizer))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert len(list(tmp_path.iterdir())) == 2  # the leftover, which the next save clears away
    save_folder(folder, make_model(config, seed=2), config, tokenizer)
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
    assert (folder / "model.safetensors").read_bytes() != before["model.safetensors"]
