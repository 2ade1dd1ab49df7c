"""Gradients of the tiny encoder with a question-answering head by the reference framework: tests/golden/tiny_bert_span_gradients.safetensors.

The loss is the model's own (the mean of the cross-entropies of start and end), averaged over windows of two token types, no dropout; the file
holds ids, types, lengths, starts, ends, the head, the loss and the derivative of every parameter by its name in the encoder's checkpoint (query,
key and value apart) or the head's. Made with torch 2.15 and transformers 5.23:

    python3 tests/golden/make_span_gradients.py
"""

import pathlib

import torch
from safetensors.torch import save_file
from transformers import BertForQuestionAnswering

here = pathlib.Path(__file__).parent
torch.manual_seed(11)
model = BertForQuestionAnswering.from_pretrained(here / "tiny_bert", attn_implementation="eager").eval().float()
torch.nn.init.normal_(model.qa_outputs.weight, std=0.3)
torch.nn.init.normal_(model.qa_outputs.bias, std=0.3)
lengths, firsts = [7, 12, 3, 21], [3, 4, 1, 10]
starts, ends = [4, 0, 2, 15], [6, 0, 2, 16]
batch = [torch.randint(0, model.config.vocab_size, (n,)) for n in lengths]
types = [torch.cat([torch.zeros(f), torch.ones(n - f)]).long() for n, f in zip(lengths, firsts)]
loss = sum(
    model(input_ids=ids[None], token_type_ids=kinds[None], start_positions=torch.tensor([start]), end_positions=torch.tensor([end])).loss
    for ids, kinds, start, end in zip(batch, types, starts, ends)
) / len(batch)
loss.backward()
tensors = {
    "ids": torch.cat(batch).int(),
    "types": torch.cat(types).int(),
    "lengths": torch.tensor(lengths, dtype=torch.int32),
    "starts": torch.tensor(starts, dtype=torch.int32),
    "ends": torch.tensor(ends, dtype=torch.int32),
    "head weight": model.qa_outputs.weight.detach().clone(),
    "head bias": model.qa_outputs.bias.detach().clone(),
    "loss": loss.detach().reshape(1),
}
for name, parameter in model.named_parameters():
    tensors["gradient " + name.removeprefix("bert.")] = parameter.grad
save_file(tensors, here / "tiny_bert_span_gradients.safetensors")
