"""Writes the .pt files beside it, the way torch.save does. Needs PyTorch (made with 1.13) and numpy.

Values are i / 8 - 3 counted through each tensor, so that a reader can check them without another file.
"""

import collections
import os

import numpy
import torch

HERE = os.path.dirname(os.path.abspath(__file__))


def counted(*shape, dtype=torch.float32):
    n = 1
    for size in shape:
        n *= size
    return (torch.arange(n, dtype=torch.float64) / 8 - 3).to(dtype).reshape(shape)


def save(name, value):
    torch.save(value, os.path.join(HERE, name))


def plain():
    """A bare state dict of a module, with a parameter, weight norm under its old names, and every element type."""
    module = torch.nn.Module()
    module.conv = torch.nn.utils.weight_norm(torch.nn.Conv1d(4, 4, 3), dim=2)
    module.empty = torch.nn.Parameter(torch.zeros(0, 3))
    state = module.state_dict()
    for key in state:
        state[key] = counted(*state[key].shape)
    for dtype in (torch.float64, torch.float16, torch.bfloat16):
        state[str(dtype)[6:]] = counted(5, dtype=dtype)
    for dtype in (torch.int64, torch.int32, torch.int16, torch.int8):
        state[str(dtype)[6:]] = torch.arange(-2, 3).to(dtype)
    state["uint8"] = torch.arange(5).to(torch.uint8)
    state["bool"] = torch.tensor([True, False])
    state["parameter"] = torch.nn.Parameter(counted(2))
    state["scalar"] = torch.tensor(1.5)
    return state


def fairseq_like():
    """The keys of a training checkpoint of fairseq-signals; the weights in half precision."""
    model = collections.OrderedDict()
    model["mask_emb"] = counted(6, dtype=torch.float16)
    model["feature_extractor.conv_layers.0.0.weight"] = counted(4, 12, 2, dtype=torch.float16)
    model["encoder.layers.0.fc1.bias"] = counted(3)
    return {
        "args": None,
        "cfg": {
            "_name": None,
            "common": {"_name": None, "seed": 1, "fp16": False},
            "model": {
                "_name": "wav2vec2_cmsc",
                "layer_norm_first": True,
                "extractor_mode": "default",
                "conv_feature_layers": "[(256, 2, 2)] * 4",
                "feature_grad_mult": 0.1,
                "latent_temp": (2.0, 0.5, 0.999995),
            },
            "optimizer": {"_name": "adam", "lr": [5e-05], "scalar": numpy.float64(2.0)},
        },
        "model": model,
        "criterion": None,
        "optimizer_history": [
            {"criterion_name": "Wav2Vec2Criterion", "optimizer_name": "FairseqAdam", "lr_scheduler_state": {}, "num_updates": 7},
            {"criterion_name": "Wav2Vec2Criterion", "optimizer_name": "FairseqAdam", "lr_scheduler_state": {}, "num_updates": 12345},
        ],
        "task_state": {},
        "extra_state": {
            "metrics": {"loss": numpy.float32(1.25), "curve": numpy.zeros(3)},
            "previous_training_time": 12.5,
            "train_iterator": {"version": 2, "epoch": 3, "iterations_in_epoch": 0, "shuffle": True},
            "best": 0.5,
            "large": 2**80,
            "device": torch.device("cpu"),
            "size": torch.Size([1, 2]),
        },
        "last_optimizer_state": {
            "state": {0: {"step": 5, "exp_avg": counted(3), "exp_avg_sq": counted(3)}},
            "param_groups": [{"lr": 5e-05, "params": [0]}],
        },
    }


def shared():
    """Tensors that share one storage, with offsets and strides."""
    base = counted(4, 6)
    return {
        "base": base,
        "row": base[2],
        "transposed": base.t(),
        "every_other": base[:, 1::2],
        "column": base[1:, 4],
        "expanded": base[0, :2].unsqueeze(1).expand(2, 3),
        "tied": base,
    }


if __name__ == "__main__":
    save("plain.pt", plain())
    save("fairseq_like.pt", fairseq_like())
    save("shared.pt", shared())
