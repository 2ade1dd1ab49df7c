"""Writes head.json: small data sets and the optimum of scikit-learn's logistic regression on them, which
smidgen/learn/head_trainer_test.cc must reach. Made with scikit-learn 1.9, NumPy 2. Usage: python3 make_head.py"""
import json
import pathlib

import numpy as np
from sklearn.linear_model import LogisticRegression

random = np.random.RandomState(3)
cases = []
for rows, dimensions, labels, c in ((60, 5, 3, 1.0), (60, 5, 3, 50.0), (40, 4, 2, 2.0), (80, 7, 5, 0.1)):
    centres = random.normal(size=(labels, dimensions))
    y = np.arange(rows) % labels
    x = np.round(centres[y] + random.normal(size=(rows, dimensions)) * 1.2 + 0.5, 4)
    model = LogisticRegression(C=c, tol=1e-12, max_iter=100000).fit(x, y)
    cases.append(dict(rows=rows, dimensions=dimensions, labels=labels, c=c, x=x.ravel().tolist(), y=y.tolist(),
                      log_probabilities=np.round(model.predict_log_proba(x), 7).ravel().tolist()))
path = pathlib.Path(__file__).parent / 'head.json'
path.write_text(json.dumps({'cases': cases}, separators=(',', ':')) + '\n')
