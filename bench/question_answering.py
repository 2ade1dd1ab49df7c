"""`smidgen ask` against the question-answering pipeline of transformers on 500 questions of SQuAD (the sample of XQuAD).

Usage: python bench/question_answering.py MODEL_FOLDER QUESTIONS.jsonl.. --program build/release/smidgen [--questions 500]
                                          [--transformers FOLDER]

MODEL_FOLDER is an encoder (all-MiniLM-L6-v2); it gets a question-answering head with seeded random weights, so both sides
search among spans that nobody trained. Each line of QUESTIONS has `question` and `context`. Compared: text, start, end (equal)
and score, with and without "no answer", in windows of 384 tokens and of 96 with a stride of 32, where every passage takes several.
transformers 5 dropped the pipeline: 4.57.1 is installed into a temporary folder, or found in --transformers.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

VERSIONS = ['transformers==4.57.1', 'tokenizers==0.22.1', 'huggingface_hub==0.36.0', 'requests', 'urllib3', 'idna', 'certifi',
            'charset-normalizer']  # the rest is there


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument('model')
    parser.add_argument('questions_files', nargs='+')
    parser.add_argument('--program', required=True)
    parser.add_argument('--questions', type=int, default=500)
    parser.add_argument('--transformers', help='folder with transformers 4.57.1')
    return parser.parse_args()


def read_rows(files, count):
    rows = [json.loads(line) for file in files for line in pathlib.Path(file).read_text(encoding='utf-8').splitlines()]
    return [{'question': row['question'], 'context': row['context']} for row in rows[:count]]


def make_model(source, target, rows):
    """An encoder with a random head, moved so that the first token wins about as often as it loses."""
    import torch
    from transformers import AutoTokenizer, BertForQuestionAnswering
    torch.manual_seed(5)
    model = BertForQuestionAnswering.from_pretrained(source, torch_dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(source)
    with torch.no_grad():
        model.qa_outputs.weight.normal_(0, 0.6)
        model.qa_outputs.bias.normal_(0, 0.3)
        apart, gaps = [], []
        for row in rows[:20]:
            hidden = model.bert(**tokenizer(row['question'], row['context'], return_tensors='pt')).last_hidden_state[0]
            logits = model.qa_outputs(hidden)
            apart.append(hidden[0] - hidden.mean(0))
            gaps.append(logits.max(0).values - logits[0])
        direction = torch.stack(apart).mean(0)
        model.qa_outputs.weight += torch.stack(gaps).mean(0)[:, None] * direction / direction.square().sum()
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    return model


def compare(name, wanted, got):
    same = sum((w['answer'], w['start'], w['end']) == (g['text'], g['start'] or 0, g['end'] or 0) for w, g in zip(wanted, got))
    difference = max(abs(w['score'] - g['score']) for w, g in zip(wanted, got))
    answered = sum(g['answerable'] for g in got)
    print(f'{name}: {same} of {len(wanted)} spans equal, {answered} answered, largest difference of scores {difference:.2g}', flush=True)
    for w, g in zip(wanted, got):
        if (w['answer'], w['start'], w['end']) != (g['text'], g['start'] or 0, g['end'] or 0):
            print('  wanted', {k: w[k] for k in ('answer', 'start', 'end', 'score')}, 'got', {k: g[k] for k in ('text', 'start', 'end', 'score')})
    return same == len(wanted) and len(got) == len(wanted)


def run(options, work):
    import torch
    import transformers
    from transformers import AutoTokenizer, pipeline
    torch.set_num_threads(1)
    rows = read_rows(options.questions_files, options.questions)
    folder = str(work / 'model')
    model = make_model(options.model, folder, rows)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    (work / 'questions.jsonl').write_text(''.join(json.dumps(row) + '\n' for row in rows), encoding='utf-8')
    print(f'transformers {transformers.__version__}, torch {torch.__version__}, {len(rows)} questions')
    answerer = pipeline('question-answering', model=model, tokenizer=tokenizer, device='cpu')
    good = True
    for window, stride, no_answer in ((384, 128, True), (96, 32, True), (96, 32, False)):
        wanted = [answerer(**row, max_seq_len=window, doc_stride=stride, handle_impossible_answer=no_answer) for row in rows]
        command = [options.program, 'ask', folder, '--questions', str(work / 'questions.jsonl'), '--json', '--window', str(window),
                   '--stride', str(stride)] + ([] if no_answer else ['--must-answer'])
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        name = f'window {window}, stride {stride}, {"no answer allowed" if no_answer else "must answer"}'
        good &= compare(name, wanted, [json.loads(line) for line in done.stdout.splitlines()])
    sys.exit(0 if good else 1)


def main():
    options = parse()
    with tempfile.TemporaryDirectory() as work:
        library = options.transformers or str(pathlib.Path(work) / 'transformers')
        if os.environ.get('SMIDGEN_QA_CHILD') != library:
            if not options.transformers:
                subprocess.run([sys.executable, '-m', 'pip', 'install', '-q', '--no-deps', '--target', library, *VERSIONS], check=True)
            environment = {**os.environ, 'PYTHONPATH': library, 'SMIDGEN_QA_CHILD': library, 'TOKENIZERS_PARALLELISM': 'false'}
            arguments = sys.argv[1:] + ([] if options.transformers else ['--transformers', library])
            sys.exit(subprocess.run([sys.executable, __file__, *arguments], env=environment, check=False).returncode)
        run(options, pathlib.Path(work))


main()
