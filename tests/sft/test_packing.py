"""Which samples go together, and what a pack's tensors say."""

import numpy as np
import torch

from rotbot.sft.data import Samples
from rotbot.sft.packing import PackStream, build_pack, plan_epoch

LENGTHS = np.random.default_rng(5).integers(40, 400, 9000)


def test_every_sample_is_in_exactly_one_pack_and_packs_fit():
    packs = plan_epoch(LENGTHS, 2048, seed=1, epoch=0)
    assert sorted(i for pack in packs for i in pack) == list(range(9000))
    assert max(LENGTHS[list(pack)].sum() for pack in packs) <= 2048
    assert len(packs) * 2048 < LENGTHS.sum() * 1.02


def test_samples_of_a_pack_have_about_the_same_length():
    wasted = used = 0
    for pack in plan_epoch(LENGTHS, 2048, seed=1, epoch=0):
        own = LENGTHS[list(pack)]
        wasted += own.max() * len(own) - own.sum()
        used += own.sum()
    assert wasted / used < 0.1


def test_order_depends_on_seed_and_epoch_alone():
    plan = plan_epoch(LENGTHS, 2048, seed=1, epoch=0)
    assert plan == plan_epoch(LENGTHS, 2048, seed=1, epoch=0)
    assert plan != plan_epoch(LENGTHS, 2048, seed=1, epoch=1)
    other = plan_epoch(LENGTHS, 2048, seed=2, epoch=0)
    assert len(set(plan) & set(other)) < len(plan) / 10
    assert len(set(plan_epoch(LENGTHS, 2048, seed=1, epoch=1)) & set(other)) < len(plan) / 10


def make_samples():
    ids = np.arange(100, 100 + 4 + 6 + 3, dtype=np.int32)
    return Samples(ids, np.array([0, 4, 10, 13]), np.array([2, 3, 1]), 0)


def test_pack_tensors():
    pack = build_pack(make_samples(), (1, 0), 16, pad_id=9)
    assert pack.tokens_N.tolist() == [104, 105, 106, 107, 108, 109, 100, 101, 102, 103, 9, 9, 9, 9, 9, 9]
    assert pack.positions_N.tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5]
    # predicted: each completion token, the end included, from the token before it; never a prompt's, never padding
    assert pack.targets_M.tolist() == [107, 108, 109, 102, 103]
    assert pack.tokens_N[pack.rows_M].tolist() == [106, 107, 108, 101, 102]
    assert pack.owners_M.tolist() == [0, 0, 0, 1, 1]
    assert pack.slots_GL.shape == (3, 16)
    assert pack.filled_P.view(3, 16).sum(1).tolist() == [6, 4, 6]
    places = pack.places_N
    assert torch.equal(pack.slots_GL.reshape(-1)[places], torch.arange(16))
    assert pack.filled_P[places].all()


def test_stream_continues_where_it_was():
    lengths = np.full(50, 10)
    samples = Samples(np.arange(500, dtype=np.int32), np.concatenate([[0], np.cumsum(lengths)]), np.full(50, 4), 0)
    stream = PackStream(samples, 64, seed=7)
    per_epoch = stream.packs_per_epoch
    taken = [stream.next() for _ in range(2 * per_epoch + 3)]
    assert per_epoch == 9
    assert (stream.epoch, stream.index) == (2, 3)
    assert sorted(i for pack in taken[per_epoch : 2 * per_epoch] for i in pack) == list(range(50))
    again = PackStream(samples, 64, seed=7)
    again.seek(1, 4)
    assert [again.next() for _ in range(8)] == taken[per_epoch + 4 : per_epoch + 12]
