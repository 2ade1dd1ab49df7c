"""Which test rows the peers get right, for the quality table: TF-IDF + logistic regression (scikit-learn), model2vec + logistic
regression, MiniLM + logistic regression (sentence-transformers).

    python bench/quality_peers.py MODEL_FOLDER DATA OUT [SET...]     needs scikit-learn, sentence-transformers, model2vec

Stores one JSON a set in OUT (answers of every contestant for every test row, for paired tests) and skips those already there.
"""
import json
import os
import pathlib
import sys
import warnings

import numpy

import datasets

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
    x = features.fit_transform([t[:4000] for t in train]).tocsr()
    return LogisticRegression(C=20, max_iter=100).fit(x, labels).predict(features.transform([t[:4000] for t in test]))


def main():
    model, data, out = sys.argv[1:4]
    import torch
    from model2vec.distill import distill
    from sentence_transformers import SentenceTransformer
    torch.set_num_threads(int(os.environ.get('OMP_NUM_THREADS', '1')))
    encoder = SentenceTransformer(model, device='cpu')
    encoder.max_seq_length = 128
    static = distill(model_name=model, pca_dims=256)
    pathlib.Path(out).mkdir(parents=True, exist_ok=True)
    for name in sys.argv[4:] or datasets.SETS:
        path = pathlib.Path(out) / f'{name}.json'
        if path.exists():
            continue
        train, test = datasets.rows(data, name, 'train'), datasets.rows(data, name, 'test')
        texts, wanted = [t for t, _ in train], [t for t, _ in test]
        labels, truth = numpy.array([l for _, l in train]), [l for _, l in test]
        embed = lambda rows: encoder.encode(rows, batch_size=64, show_progress_bar=False)
        answers = {'tfidf': tfidf(texts, labels, wanted),
                   'model2vec': head(static.encode(texts), labels, static.encode(wanted), (4, 16, 64)),
                   'minilm': head(embed(texts), labels, embed(wanted), (1, 4, 16))}
        result = {'truth': truth, 'answers': {key: [str(a) for a in value] for key, value in answers.items()}}
        path.write_text(json.dumps(result))
        print(name, {key: round(float(numpy.mean(numpy.array(value) == truth)), 4)
                     for key, value in result['answers'].items()}, flush=True)


main()
