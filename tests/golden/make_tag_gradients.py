"""Gradients of the tiny encoder with a token-classification head by the reference framework: tests/golden/tiny_bert_tag_gradients.safetensors.

The loss is the model's own over all tokens with a tag (-100: none), no dropout; the file holds ids, lengths, tags, the head, the loss and the
derivative of every parameter by its name in the encoder's checkpoint or the head's. No id is 0: PyTorch keeps the padding's row still. Made with
torch 2.15 and transformers 5.23:

    python3 tests/golden/make_tag_gradients.py
"""

import pathlib

import torch
from safetensors.torch import save_file
from transformers import BertForTokenClassification

here = pathlib.Path(__file__).parent
torch.manual_seed(12)
model = BertForTokenClassification.from_pretrained(here / "tiny_bert", num_labels=3, attn_implementation="eager").eval().float()
torch.nn.init.normal_(model.classifier.weight, std=0.3)
torch.nn.init.normal_(model.classifier.bias, std=0.3)
lengths = [7, 12, 3, 21]
batch = [torch.randint(1, model.config.vocab_size, (n,)) for n in lengths]
tags = [torch.randint(-2, 3, (n,)).clamp(min=-1) for n in lengths]
logits = torch.cat([model(input_ids=ids[None]).logits[0] for ids in batch])
known = torch.cat(tags)
loss = torch.nn.functional.cross_entropy(logits, torch.where(known < 0, torch.tensor(-100), known))
loss.backward()
tensors = {
    "ids": torch.cat(batch).int(),
    "lengths": torch.tensor(lengths, dtype=torch.int32),
    "tags": known.int(),
    "head weight": model.classifier.weight.detach().clone(),
    "head bias": model.classifier.bias.detach().clone(),
    "loss": loss.detach().reshape(1),
}
for name, parameter in model.named_parameters():
    tensors["gradient " + name.removeprefix("bert.")] = parameter.grad
save_file(tensors, here / "tiny_bert_tag_gradients.safetensors")
