"""Score caches for bench_certify_simulation from the reference frameworks: three rungs (TF-IDF + logistic regression; mean
token embedding + logistic regression; MiniLM + logistic regression) fitted on 60 % of a set's train rows, scores of the
other 40 %. Test rows are not read.

Made with scikit-learn 1.9.1 and sentence-transformers. Usage: score_caches.py ENCODER_FOLDER OUT_FOLDER DATA_FOLDER...
(a data folder holds train.csv with columns text and label). Writes OUT_FOLDER/NAME.pool.csv, format in score_cache.h.
"""

import csv
import os
import sys

import numpy as np
from sentence_transformers import SentenceTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_union

ROWS_MAX = 8000  # banking77 is used whole


def read_rows(folder):
    csv.field_size_limit(1 << 30)
    with open(os.path.join(folder, "train.csv"), newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if len(rows) > ROWS_MAX and not folder.rstrip("/").endswith("banking77"):
        rows = [rows[i] for i in np.random.RandomState(0).permutation(len(rows))[:ROWS_MAX]]
    return [row["text"] for row in rows], [row["label"] for row in rows]


def mean_token_vectors(encoder, texts):
    table = encoder[0].auto_model.embeddings.word_embeddings.weight.detach().numpy()
    table = table - table.mean(0)
    vectors = np.zeros((len(texts), table.shape[1]), np.float32)
    for i, text in enumerate(texts):
        ids = encoder.tokenizer(text[:2000], add_special_tokens=False)["input_ids"][:256]
        if ids:
            vectors[i] = table[ids].mean(0)
    return vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9)


def log_probabilities(features, labels, c, train, held, label_count):
    model = LogisticRegression(C=c, max_iter=60).fit(features[train], labels[train])
    probabilities = np.full((len(held), label_count), 1e-9)
    probabilities[:, model.classes_] = model.predict_proba(features[held])
    return np.log(np.clip(probabilities, 1e-9, 1))


def main():
    encoder = SentenceTransformer(sys.argv[1], device="cpu")
    encoder.max_seq_length = 128
    for folder in sys.argv[3:]:
        texts, names = read_rows(folder)
        classes = sorted(set(names))
        labels = np.array([classes.index(name) for name in names])
        order = np.random.RandomState(1).permutation(len(texts))
        train, held = np.split(order, [int(len(texts) * 0.6)])
        vectorizer = make_union(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, max_features=100000))
        vectorizer.fit([texts[i][:4000] for i in train])
        features = [(vectorizer.transform([text[:4000] for text in texts]).tocsr(), 20),
                    (mean_token_vectors(encoder, texts), 20),
                    (encoder.encode(texts, batch_size=64, show_progress_bar=False), 8)]
        scores = np.stack([log_probabilities(x, labels, c, train, held, len(classes)) for x, c in features], 1)
        name = os.path.basename(folder.rstrip("/"))
        with open(os.path.join(sys.argv[2], name + ".pool.csv"), "w", encoding="utf-8") as out:
            out.write(f"smidgen_scores,1,3,{len(classes)}\n")
            for row, label in zip(scores, labels[held]):
                out.write(f"{label}," + ",".join(f"{value:.5g}" for value in row.ravel()) + "\n")
        print(name, len(held), "rows", flush=True)


if __name__ == "__main__":
    main()
