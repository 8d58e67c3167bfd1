"""Rows to samples: the same tokens as at inference, nothing cut, every fault named."""

import json
import multiprocessing

import pytest
from datasets import Dataset

from rotbot.errors import InputError
from rotbot.models.tokenizer import encode_example
from rotbot.sft.data import encode, learn_tokenizer, open_split, prepare


def make_rows(*replacements):
    """Four rows of growing length, some replaced by index."""
    rows = [
        {
            "prompt": [{"role": "user", "content": f"Code: 'y = x{'.T' * i}'\nArgs: {{'x': [2, 3]}}\nTarget: y"}],
            "completion": [
                {"role": "assistant", "content": "step 0: T | [2, 3] -> [3, 2]\n" * i + "</think>\nfinal: []"}
            ],
        }
        for i in range(1, 5)
    ]
    for index, row in replacements:
        rows[index] = row
    return rows


def write(folder, rows, split="train"):
    (folder / "sft").mkdir(parents=True, exist_ok=True)
    Dataset.from_list(rows).to_parquet(folder / "sft" / f"{split}-00000-of-00001.parquet")
    names = sorted(p.name.split("-")[0] for p in (folder / "sft").iterdir())
    files = "".join(f"  - split: {name}\n    path: sft/{name}-*.parquet\n" for name in names)
    (folder / "README.md").write_text(f"---\nconfigs:\n- config_name: sft\n  data_files:\n{files}---\n")
    return str(folder)


def test_samples_are_encoded_as_at_inference():
    data = Dataset.from_list(make_rows())
    tokenizer = learn_tokenizer(data, 300)
    samples = encode(data, tokenizer, max_length=500)
    assert (len(samples), samples.skipped) == (4, 0)
    for i, row in enumerate(data):
        prompt, completion = encode_example(tokenizer, row["prompt"], row["completion"][0]["content"])
        assert samples.tokens(i).tolist() == prompt + completion
        assert samples.prompt_length(i) == len(prompt)
        assert completion[-1] == tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert samples.completion_tokens == sum(samples.lengths) - sum(samples.prompts)


def test_rows_that_are_too_long_are_counted_and_left_out_whole():
    data = Dataset.from_list(make_rows())
    tokenizer = learn_tokenizer(data, 300)
    lengths = encode(data, tokenizer, max_length=500).lengths.tolist()
    assert sorted(lengths) == lengths
    samples = encode(data, tokenizer, max_length=lengths[1])
    assert samples.lengths.tolist() == lengths[:2]
    assert samples.skipped == 2
    with pytest.raises(InputError, match=r"data\.max_length: all 4 rows are longer than 3 tokens"):
        encode(data, tokenizer, max_length=3)


def test_open_split_reads_a_folder_and_stops_at_rows(tmp_path):
    folder = write(tmp_path / "set", make_rows())
    assert len(open_split(folder, "sft", "train")) == 4
    assert len(open_split(folder, "sft", "train", rows=3)) == 3
    assert open_split(folder, "sft", "train").column_names == ["prompt", "completion"]


def test_faults_are_named(tmp_path):
    with pytest.raises(InputError, match=r"data\.dataset: expected a dataset folder or a Hub ID, got none"):
        open_split("", "sft", "train")
    with pytest.raises(
        InputError, match="no such dataset folder here, nor from the Hub: owner/no-such-set: not in the cache"
    ):
        open_split("owner/no-such-set", "sft", "train")
    folder = write(tmp_path / "set", make_rows())
    with pytest.raises(InputError, match="validation"):
        open_split(folder, "sft", "validation")
    with pytest.raises(InputError, match="'rl'"):
        open_split(folder, "rl", "train")
    other = write(tmp_path / "columns", [{"text": "a", "prompt": "b"}])
    with pytest.raises(InputError, match=r"columns prompt and completion, completion missing; got text, prompt"):
        open_split(other, "sft", "train")


def test_an_empty_split_is_an_error(tmp_path):
    folder = tmp_path / "empty"
    (folder / "sft").mkdir(parents=True)
    Dataset.from_dict({"prompt": [], "completion": []}).to_parquet(folder / "sft" / "train-00000-of-00001.parquet")
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: sft\n  data_files:\n  - split: train\n    path: sft/train-*.parquet\n---\n"
    )
    with pytest.raises(InputError, match=r"split 'train' of .*no data"):
        open_split(str(folder), "sft", "train")


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Code: 'y'", "completion": "step 0"},
        {
            "prompt": [{"role": "user", "content": "a"}],
            "completion": [{"role": "assistant", "content": "b"}, {"role": "assistant", "content": "c"}],
        },
    ],
)
def test_rows_that_are_no_chats_are_refused(row):
    good = learn_tokenizer(Dataset.from_list(make_rows()), 300)
    with pytest.raises(InputError, match="expected prompt and completion as lists of chat messages"):
        encode(Dataset.from_list([row]), good, 500)


def test_runs_that_share_a_cache_get_each_its_own_rows(tmp_path):
    """Four at once with different limits: nobody reads what another is writing."""
    folder = write(tmp_path / "set", make_rows())
    write(tmp_path / "set", make_rows()[:2], "validation")
    lengths = prepare(tmp_path / "alone", folder, "sft", None, 300, 500, None, None).train.lengths.tolist()
    limits = [500, *sorted(lengths, reverse=True)[:3]]
    context = multiprocessing.get_context("spawn")
    arguments = [(tmp_path / "shared", folder, "sft", None, 300, limit, None, None) for limit in limits]
    with context.Pool(len(limits)) as pool:
        made = pool.starmap(prepare, arguments)
    for limit, prepared in zip(limits, made, strict=True):
        assert prepared.train.lengths.tolist() == [length for length in lengths if length <= limit]


def test_prepared_data_is_kept_until_data_or_settings_change(tmp_path):
    folder = write(tmp_path / "set", make_rows())
    write(tmp_path / "set", make_rows()[:2], "validation")
    cache = tmp_path / "cache"

    def prepared(max_length=500, path=folder):
        result = prepare(cache, path, "sft", None, 300, max_length, None, None)
        return result, json.loads((cache / "key.json").read_text()), (cache / "train.npz").stat().st_mtime_ns

    first, key, written = prepared()
    assert (len(first.train), len(first.validation)) == (4, 2)
    again, same_key, still = prepared()
    assert (same_key, still) == (key, written)
    assert again.train.ids.tolist() == first.train.ids.tolist()
    assert again.tokenizer.get_vocab() == first.tokenizer.get_vocab()
    limit = int(first.train.lengths[2])
    shorter, other_key, _ = prepared(max_length=limit)
    assert (len(shorter.train), shorter.train.skipped) == (3, 1)
    assert other_key != key
    changed = write(tmp_path / "other", make_rows((3, make_rows()[0])))
    write(tmp_path / "other", make_rows()[:2], "validation")
    third, _, _ = prepared(path=changed)
    assert third.train.lengths[3] == third.train.lengths[0]
