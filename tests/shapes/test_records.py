"""Records are made like frozen dataclasses with slots, and compare and hash like them."""

from __future__ import annotations

import inspect
from dataclasses import fields, replace

import pytest
import torch

from rotbot.shapes.metadata import TensorMeta
from rotbot.shapes.trace import Node, Span, Step


def test_what_does_not_compare_does_not_count_for_equality_and_hash():
    read, traced = Step("relu", ((2,),), ((2,),)), Step("relu", ((2,),), ((2,),), span=Span(1, 0, 1, 4), node=3)
    assert read == traced
    assert hash(read) == hash(traced)
    assert read != replace(read, op="tanh")


def test_values_of_other_types_are_other_keys():
    assert len({TensorMeta((2, 3), (3, 1), torch.float32), TensorMeta((2, 3), (3, 1), torch.float64)}) == 2


def test_there_is_no_room_for_other_attributes():
    with pytest.raises(AttributeError):
        Span(1, 0, 1, 4).lines = 3
    assert not hasattr(Span(1, 0, 1, 4), "__dict__")


@pytest.mark.parametrize("kind", [Node, Span, Step, TensorMeta])
def test_fields_are_the_parameters_in_order(kind):
    assert list(inspect.signature(kind).parameters) == [field.name for field in fields(kind)]
    assert kind.__match_args__ == tuple(field.name for field in fields(kind))
