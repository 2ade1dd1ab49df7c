"""Gradients of the tiny encoder by the reference framework: tests/golden/tiny_bert_gradients.safetensors.

The loss is sum(embedding * direction) over a batch, mean pooling divided by its norm, no dropout; the file holds ids,
lengths, directions, the loss and the derivative of every parameter by its name in the checkpoint (query, key and value
apart). Made with torch 2.15 and transformers 5.23:

    python3 tests/golden/make_gradients.py
"""

import pathlib

import torch
from safetensors.torch import save_file
from transformers import AutoModel

here = pathlib.Path(__file__).parent
torch.manual_seed(7)
model = AutoModel.from_pretrained(here / "tiny_bert", attn_implementation="eager").eval().float()
lengths = [3, 9, 1, 6, 2]
batch = [torch.randint(0, model.config.vocab_size, (n,)) for n in lengths]
directions = torch.randn(len(batch), model.config.hidden_size)
loss = sum(
    (torch.nn.functional.normalize(model(ids[None]).last_hidden_state[0].mean(0), dim=0) * direction).sum()
    for ids, direction in zip(batch, directions)
)
loss.backward()
tensors = {
    "ids": torch.cat(batch).int(),
    "lengths": torch.tensor(lengths, dtype=torch.int32),
    "directions": directions,
    "loss": loss.detach().reshape(1),
}
for name, parameter in model.named_parameters():
    if parameter.grad is not None and "token_type" not in name:
        tensors["gradient " + name] = parameter.grad
save_file(tensors, here / "tiny_bert_gradients.safetensors")
