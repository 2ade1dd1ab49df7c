"""PyTorch's side of bench/question_answering_training.py: the same encoder with transformers' question-answering head, trained on the same rows.

    python3 bench/question_answering_peer.py MODEL TRAIN.jsonl OUT EPOCHS RATE HEAD_RATE SEED [--batch 16] [--threads 2] [--f32]

Windows of 384 tokens that share 128, a window without the answer points at [CLS] as both ends; the loss is the model's own; AdamW (weight
decay 0.01), warm-up over a tenth of the steps and linear decay, gradients clipped to norm 1, bf16 autocast unless --f32; the head starts from
normal numbers of deviation 0.02. Writes the model to the folder OUT and prints one JSON line.
"""
import argparse
import contextlib
import json
import pathlib
import resource
import sys
import time

import numpy
import torch
from transformers import AutoTokenizer, BertForQuestionAnswering

WINDOW, STRIDE = 384, 128


def ends_of(encoded, number, answer):
    """The tokens of the window that the answer begins and ends with; (0, 0) where it does not hold all of it."""
    if answer is None:
        return 0, 0
    begin, end = answer
    inside = [i for i, part in enumerate(encoded.sequence_ids(number)) if part == 1]
    offsets = encoded['offset_mapping'][number]
    if not inside or offsets[inside[0]][0] > begin or offsets[inside[-1]][1] < end:
        return 0, 0
    return next(i for i in inside if offsets[i][1] > begin), next(i for i in reversed(inside) if offsets[i][0] < end)


def windows_of(tokenizer, rows):
    found = []
    for row in rows:
        answers = row['answers']
        if isinstance(answers, dict):
            answers = [{'text': text, 'answer_start': start} for text, start in zip(answers['text'], answers['answer_start'])]
        answer = (answers[0]['answer_start'], answers[0]['answer_start'] + len(answers[0]['text'])) if answers else None
        encoded = tokenizer(row['question'], row['context'], truncation='only_second', max_length=WINDOW, stride=STRIDE,
                            return_overflowing_tokens=True, return_offsets_mapping=True, padding=False)
        for number, ids in enumerate(encoded['input_ids']):
            found.append((ids, encoded['token_type_ids'][number], *ends_of(encoded, number, answer)))
    return found


def padded(windows):
    longest = max(len(ids) for ids, *_ in windows)
    ids, types, mask = (torch.zeros(len(windows), longest, dtype=torch.long) for _ in range(3))
    for i, (some, segments, _, _) in enumerate(windows):
        ids[i, :len(some)], types[i, :len(some)], mask[i, :len(some)] = torch.tensor(some), torch.tensor(segments), 1
    return {'input_ids': ids, 'token_type_ids': types, 'attention_mask': mask,
            'start_positions': torch.tensor([window[2] for window in windows]), 'end_positions': torch.tensor([window[3] for window in windows])}


def batches(random, lengths, rows):
    """Every window once an epoch: shuffled, then windows of like length together, so that little is padded; batches shuffled again."""
    order, found = random.permutation(len(lengths)), []
    for first in range(0, len(order), 50 * rows):
        block = sorted(order[first:first + 50 * rows], key=lambda window: lengths[window])
        found += [block[at:at + rows] for at in range(0, len(block), rows)]
    return [found[i] for i in random.permutation(len(found))]


def train(options, model, windows):
    random = numpy.random.RandomState(options.seed)
    head = [value for name, value in model.named_parameters() if name.startswith('qa_outputs')]
    body = [value for name, value in model.named_parameters() if not name.startswith('qa_outputs')]
    optimizer = torch.optim.AdamW([{'params': body, 'lr': options.rate}, {'params': head, 'lr': options.head_rate}], weight_decay=0.01)
    steps = options.epochs * -(-len(windows) // options.batch)
    rise = max(1.0, 0.1 * steps)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: (s + 1) / rise if s + 1 <= rise else max(0.0, (steps - s - 1) / max(1.0, steps - rise)))
    model.train()
    for epoch in range(options.epochs):
        losses = []
        for batch in batches(random, [len(window[0]) for window in windows], options.batch):
            with contextlib.nullcontext() if options.f32 else torch.autocast('cpu', torch.bfloat16):
                loss = model(**padded([windows[i] for i in batch])).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
        print(f'epoch {epoch + 1}: loss {numpy.mean(losses):.3f}', file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, kind in (('model', str), ('train', pathlib.Path), ('out', str), ('epochs', int), ('rate', float), ('head_rate', float), ('seed', int)):
        parser.add_argument(name, type=kind)
    parser.add_argument('--batch', type=int, default=16)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--f32', action='store_true')
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = BertForQuestionAnswering.from_pretrained(options.model, dtype=torch.float32)
    torch.nn.init.normal_(model.qa_outputs.weight, std=0.02)
    torch.nn.init.zeros_(model.qa_outputs.bias)
    windows = windows_of(tokenizer, [json.loads(line) for line in options.train.open(encoding='utf-8')])
    wall, processor = time.time(), time.process_time()
    train(options, model, windows)
    wall, processor = time.time() - wall, time.process_time() - processor
    model.save_pretrained(options.out)
    tokenizer.save_pretrained(options.out)
    print(json.dumps({'windows': len(windows), 'seconds': wall, 'processor_seconds': processor, 'torch': torch.__version__,
                      'peak_mb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))


main()
