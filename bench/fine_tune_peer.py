"""PyTorch's side of the fine-tuning benchmarks: full fine-tuning of the same encoder with a linear head.

    python3 bench/fine_tune_peer.py train MODEL TRAIN.csv TEST.csv EPOCHS RATE SEED [--threads 2] [--f32]
    python3 bench/fine_tune_peer.py step MODEL [--rows 32] [--tokens 32] [--threads 1] [--f32]

`train`: mean pooling, AdamW (weight decay 0.01, the head at 20 times the rate), warm-up over a tenth of the steps and linear decay, batches
of 32 rows of like length, label smoothing 0.1, gradients clipped to norm 1, bf16 autocast unless --f32. Prints one JSON line: accuracy on the
test rows after each epoch with the seconds it took to get there (scoring left out), every answer, and the peak resident megabytes.
`step`: for every line on standard input, steps on random tokens for a second and one JSON line, as bench_fine_tune_step does.
"""
import argparse
import contextlib
import csv
import json
import resource
import sys
import time

import numpy
import torch
from transformers import AutoModel, AutoTokenizer

BATCH = 32
csv.field_size_limit(1 << 30)


class Classifier(torch.nn.Module):
    def __init__(self, folder, labels):
        super().__init__()
        self.body = AutoModel.from_pretrained(folder)
        self.head = torch.nn.Linear(self.body.config.hidden_size, labels)
        torch.nn.init.zeros_(self.head.weight)
        torch.nn.init.zeros_(self.head.bias)

    def forward(self, ids, mask):
        rows = self.body(input_ids=ids, attention_mask=mask).last_hidden_state
        mask = mask.unsqueeze(-1)
        return self.head((rows * mask).sum(1) / mask.sum(1) * 8)

    def optimizer(self, rate):
        return torch.optim.AdamW([{'params': self.body.parameters(), 'lr': rate}, {'params': self.head.parameters(), 'lr': 20 * rate}],
                                 weight_decay=0.01)


def padded(sequences):
    longest = max(map(len, sequences))
    ids, mask = torch.zeros(len(sequences), longest, dtype=torch.long), torch.zeros(len(sequences), longest, dtype=torch.long)
    for i, sequence in enumerate(sequences):
        ids[i, :len(sequence)] = torch.tensor(sequence)
        mask[i, :len(sequence)] = 1
    return ids, mask


def autocast(options):
    return contextlib.nullcontext() if options.f32 else torch.autocast('cpu', torch.bfloat16)


def step(options, model, optimizer, ids, mask, labels):
    with autocast(options):
        loss = torch.nn.functional.cross_entropy(model(ids, mask).float(), labels, label_smoothing=0.1)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.body.parameters(), 1.0)
    optimizer.step()


def scored(options, model, sequences):
    model.eval()
    answers = numpy.zeros(len(sequences), dtype=int)
    order = sorted(range(len(sequences)), key=lambda row: len(sequences[row]))
    with torch.inference_mode(), autocast(options):
        for first in range(0, len(order), 2 * BATCH):
            batch = order[first:first + 2 * BATCH]
            answers[batch] = model(*padded([sequences[row] for row in batch])).argmax(1).numpy()
    return answers


def batches(random, lengths):
    """Every row once an epoch: shuffled, then rows of like length together, batches shuffled again."""
    order, found = random.permutation(len(lengths)), []
    for first in range(0, len(order), 50 * BATCH):
        block = sorted(order[first:first + 50 * BATCH], key=lambda row: lengths[row])
        found += [block[at:at + BATCH] for at in range(0, len(block), BATCH)]
    return [found[i] for i in random.permutation(len(found))]


def train(options):
    def rows(path):
        with open(path, newline='', encoding='utf-8') as file:
            return [(row['text'], row['label']) for row in csv.DictReader(file)]

    torch.manual_seed(options.seed)
    random = numpy.random.RandomState(options.seed)
    train_rows, test_rows = rows(options.train), rows(options.test)
    names = sorted({label for _, label in train_rows})
    number = {name: i for i, name in enumerate(names)}
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    encode = lambda some: tokenizer([text for text, _ in some], truncation=True, max_length=options.tokens_max)['input_ids']
    x, z = encode(train_rows), encode(test_rows)
    y = torch.tensor([number[label] for _, label in train_rows])
    truth = [number.get(label, -1) for _, label in test_rows]
    model = Classifier(options.model, len(names))
    optimizer = model.optimizer(options.rate)
    lengths = [len(sequence) for sequence in x]
    steps = options.epochs * ((len(x) + BATCH - 1) // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min(1, (s + 1) / (0.1 * steps)) * max(0, (steps - s) / steps))
    seconds, epochs, answers = 0.0, [], None
    for epoch in range(options.epochs):
        start = time.time()
        model.train()
        for batch in batches(random, lengths):
            step(options, model, optimizer, *padded([x[row] for row in batch]), y[batch])
            schedule.step()
        seconds += time.time() - start
        answers = scored(options, model, z)
        epochs.append({'accuracy': float((answers == truth).mean()), 'seconds': seconds})
        print(f'epoch {epoch + 1}: {epochs[-1]["accuracy"]:.4f}, {seconds:.0f} s', file=sys.stderr, flush=True)
    print(json.dumps({'seconds': seconds, 'epochs': epochs, 'accuracy': epochs[-1]['accuracy'], 'labels': names, 'truth': truth,
                      'answers': answers.tolist(), 'peak_mb': peak_mb(), 'torch': torch.__version__}))


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def steps(options):
    torch.manual_seed(1)
    model = Classifier(options.model, 77).train()
    optimizer = model.optimizer(1e-4)
    ids = torch.randint(0, model.body.config.vocab_size, (options.rows, options.tokens))
    mask, labels = torch.ones_like(ids), torch.randint(0, 77, (options.rows,))
    for _ in sys.stdin:
        wall, processor, count = time.time(), time.process_time(), 0
        while count == 0 or time.time() - wall < options.seconds:
            step(options, model, optimizer, ids, mask, labels)
            count += 1
        print(json.dumps({'wall_ms': 1e3 * (time.time() - wall) / count, 'processor_ms': 1e3 * (time.process_time() - processor) / count,
                          'steps': count, 'peak_mb': peak_mb(), 'torch': torch.__version__}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest='verb', required=True)
    one = verbs.add_parser('train')
    for name, kind in (('model', str), ('train', str), ('test', str), ('epochs', int), ('rate', float), ('seed', int)):
        one.add_argument(name, type=kind)
    one.add_argument('--tokens-max', type=int, default=128)
    other = verbs.add_parser('step')
    other.add_argument('model')
    for name in ('rows', 'tokens'):
        other.add_argument('--' + name, type=int, default=32)
    other.add_argument('--seconds', type=float, default=1)
    for verb in (one, other):
        verb.add_argument('--threads', type=int, default=2)
        verb.add_argument('--f32', action='store_true')
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    train(options) if options.verb == 'train' else steps(options)


main()
