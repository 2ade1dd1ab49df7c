"""Which test rows the peers get right, for the quality table: TF-IDF + logistic regression (scikit-learn), model2vec + logistic
regression, MiniLM + logistic regression (sentence-transformers).

    python bench/quality_peers.py MODEL_FOLDER DATA OUT [SET...] [--onnx MODEL.onnx]   needs scikit-learn, sentence-transformers, model2vec

--onnx: ONNX Runtime computes MiniLM's vectors (bench/peers/run.py exports WORK/minilm/onnx/f32.onnx), twice as fast; that they are those of
sentence-transformers is checked on 64 texts of every set. Stores one JSON a set in OUT (answers of every contestant for every test row, for paired tests) and skips those already there.
"""
import json
import os
import pathlib
import sys
import warnings

import numpy

import datasets
from results import same_settings, write_whole

warnings.filterwarnings('ignore')


def head(train, labels, test, grid):
    """Logistic regression whose C is chosen on 15 % of the training rows."""
    from sklearn.linear_model import LogisticRegression
    order = numpy.random.RandomState(1).permutation(len(train))
    cut = max(1, int(len(train) * 0.15))
    held, kept = order[:cut], order[cut:]
    fit = lambda x, y, c: LogisticRegression(C=c, max_iter=300).fit(x, y)
    best = max(grid, key=lambda c: (fit(train[kept], labels[kept], c).predict(train[held]) == labels[held]).mean())
    return fit(train, labels, best).predict(test)


def tfidf(train, labels, test):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_union
    features = make_union(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
                          TfidfVectorizer(analyzer='char_wb', ngram_range=(2, 5), sublinear_tf=True, max_features=200000))
    x = features.fit_transform([t[:8000] for t in train]).tocsr()
    return LogisticRegression(C=20, max_iter=100).fit(x, labels).predict(features.transform([t[:8000] for t in test]))


class OnnxEncoder:
    """Mean-pooled vectors of length 1 by ONNX Runtime, held against sentence-transformers on some texts of every call."""

    def __init__(self, path, reference, threads):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])
        self.reference = reference

    def encode(self, rows):
        vectors = numpy.zeros((len(rows), self.reference.get_sentence_embedding_dimension()), numpy.float32)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        for first in range(0, len(rows), 32):
            some = order[first:first + 32]
            tokens = self.reference.tokenizer([rows[i] for i in some], padding=True, truncation=True, max_length=128, return_tensors='np')
            ids, mask = tokens['input_ids'].astype(numpy.int64), tokens['attention_mask'].astype(numpy.int64)
            hidden = self.session.run(None, {'input_ids': ids, 'attention_mask': mask})[0]
            pooled = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
            vectors[some] = pooled / numpy.linalg.norm(pooled, axis=1, keepdims=True)
        some = numpy.linspace(0, len(rows) - 1, 64).astype(int)
        wanted = self.reference.encode([rows[i] for i in some], batch_size=64, show_progress_bar=False)
        difference = float(numpy.abs(vectors[some] - wanted).max())
        if difference > 1e-4:
            sys.exit(f'ONNX Runtime and sentence-transformers differ by {difference}')
        return vectors


def main():
    words = sys.argv[1:]
    onnx = words.index('--onnx') if '--onnx' in words else len(words)
    model, data, out = words[:3]
    names = words[3:onnx]
    import torch
    from model2vec.distill import distill
    from sentence_transformers import SentenceTransformer
    torch.set_num_threads(int(os.environ.get('OMP_NUM_THREADS', '1')))
    encoder = SentenceTransformer(model, device='cpu')
    encoder.max_seq_length = 128
    static = distill(model_name=model, pca_dims=256)
    same_settings(out, model=pathlib.Path(model).name)
    embed = lambda rows: encoder.encode(rows, batch_size=64, show_progress_bar=False)
    if onnx < len(words):
        embed = OnnxEncoder(words[onnx + 1], encoder, torch.get_num_threads()).encode
    for name in names or datasets.SETS:
        path = pathlib.Path(out) / f'{name}.json'
        if path.exists():
            continue
        train, test = datasets.rows(data, name, 'train'), datasets.rows(data, name, 'test')
        texts, wanted = [t for t, _ in train], [t for t, _ in test]
        labels, truth = numpy.array([l for _, l in train]), [l for _, l in test]
        answers = {'tfidf': tfidf(texts, labels, wanted),
                   'model2vec': head(static.encode(texts), labels, static.encode(wanted), (4, 16, 64)),
                   'minilm': head(embed(texts), labels, embed(wanted), (1, 4, 16))}
        result = {'truth': truth, 'answers': {key: [str(a) for a in value] for key, value in answers.items()}}
        write_whole(path, json.dumps(result))
        print(name, {key: round(float(numpy.mean(numpy.array(value) == truth)), 4)
                     for key, value in result['answers'].items()}, flush=True)


if __name__ == '__main__':
    main()
