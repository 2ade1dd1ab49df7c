"""What smidgen fine-tunes loads in transformers and sentence-transformers, and the other way round: embeddings and logits within 1e-4 in f32.

Usage: exchange_test.py ROOT BUILD [ENCODER..]      ENCODER: a sentence-transformers folder; without: tests/golden/tiny_bert
Needs SMIDGEN_PEERS_PYTHON, a Python with torch, transformers, safetensors and sentence-transformers; else skips.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

PYTHON = os.environ.get('SMIDGEN_PEERS_PYTHON')
TEXTS = ['how do I get my money back?', 'the card has not arrived', 'a b c', 'Where is the nearest branch, please?', 'good', 'bad and good',
         'it was the best of times, it was the worst of times', 'money', 'please close my account today', 'thanks', 'no', 'card card card']


def check():
    """Runs under PYTHON in the exchange folder: reads ours, then trains and writes theirs."""
    import safetensors.torch
    import sentence_transformers
    import torch
    import transformers
    texts = pathlib.Path('texts.txt').read_text(encoding='utf-8').splitlines()

    def same(what, got, wanted):
        difference = float((got - wanted).abs().max())
        print(f'{what}: largest difference {difference:.2e}', flush=True)
        if not difference <= 1e-4:
            sys.exit(f'exchange_test: {what} differs by {difference}')

    wanted = safetensors.torch.load_file('ours/expected.safetensors')
    head = torch.nn.Linear(*reversed(safetensors.torch.load_file('ours/head.safetensors')['weight'].shape))
    head.load_state_dict(safetensors.torch.load_file('ours/head.safetensors'))
    most = json.loads(pathlib.Path('ours/sentence_bert_config.json').read_text(encoding='utf-8'))['max_seq_length']
    tokens = transformers.AutoTokenizer.from_pretrained('ours')(texts, padding=True, truncation=True, max_length=most, return_tensors='pt')
    body = transformers.AutoModel.from_pretrained('ours').eval()
    with torch.no_grad():
        rows, mask = body(**tokens).last_hidden_state, tokens['attention_mask'].unsqueeze(-1)
        pooled = torch.nn.functional.normalize((rows * mask).sum(1) / mask.sum(1))
        same('transformers, embeddings of ours', pooled, wanted['embeddings'])
        same('transformers, logits of ours', head(pooled), wanted['logits'])
        model = sentence_transformers.SentenceTransformer('ours', device='cpu')
        vectors = model.encode(texts, convert_to_tensor=True)
        same('sentence-transformers, embeddings of ours', vectors, wanted['embeddings'])
        same('sentence-transformers, logits of ours', head(vectors), wanted['logits'])

    torch.manual_seed(1)
    model.train()
    optimizer = torch.optim.AdamW([*model.parameters(), *head.parameters()], lr=1e-4)
    labels = torch.tensor([(i + 1) % 3 for i in range(len(texts))])
    encode = model.preprocess if hasattr(model, 'preprocess') else model.tokenize
    for _ in range(4):
        loss = torch.nn.functional.cross_entropy(head(model(encode(texts))['sentence_embedding']), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    model.save('theirs')
    with torch.no_grad():
        moved = model.encode(texts, convert_to_tensor=True)
        logits = head(moved)
    if float((moved - vectors).abs().max()) < 1e-3:
        sys.exit('exchange_test: training in Python moved nothing')
    safetensors.torch.save_file({name: value.contiguous() for name, value in head.state_dict().items()}, 'theirs/head.safetensors')
    safetensors.torch.save_file({'embeddings': moved.contiguous(), 'logits': logits.contiguous()}, 'theirs/expected.safetensors')


def ours(build, folder, name):
    subprocess.run([str(build / 'smidgen_tests'), f'--gtest_filter=Exchange.{name}'], check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, 'SMIDGEN_EXCHANGE': str(folder)})


def main():
    if sys.argv[1:] == ['--check']:
        return check()
    root, build, encoders = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve(), sys.argv[3:]
    modules = 'import torch, transformers, safetensors, sentence_transformers'
    if not PYTHON or subprocess.run([PYTHON, '-c', modules], stderr=subprocess.DEVNULL, check=False).returncode:
        print('skipped: set SMIDGEN_PEERS_PYTHON to a Python with torch, transformers, safetensors and sentence-transformers')
        sys.exit(77)
    for encoder in encoders or [root / 'tests' / 'golden' / 'tiny_bert']:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            shutil.copytree(encoder, folder / 'start')
            (folder / 'texts.txt').write_text('\n'.join(TEXTS), encoding='utf-8')
            ours(build, folder, 'WritesATunedEncoder')
            subprocess.run([PYTHON, str(pathlib.Path(__file__).resolve()), '--check'], check=True, cwd=folder,
                           env={**os.environ, 'HF_HUB_OFFLINE': '1'})
            ours(build, folder, 'ReadsWhatPythonTuned')
            print(f'{pathlib.Path(encoder).name}: what Python tuned answers the same here', flush=True)
    return None


main()
