"""Writes evaluation.csv, the reference numbers of smidgen/learn/evaluate_test.cc. Made with scikit-learn 1.9.1, NumPy 2.4.6.

Lines: row,LABEL,p0,p1,p2,p3 (label 3 never occurs as truth) and value,NAME,NUMBER. Usage: python3 evaluation.py
"""

import os

import numpy as np
import sklearn
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, f1_score, log_loss, precision_recall_fscore_support


def main():
    random = np.random.RandomState(7)
    labels = random.randint(0, 3, 60)
    logits = random.normal(size=(60, 4)) * 1.5
    logits[np.arange(60), labels] += 1.5
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    probabilities = np.round(probabilities, 6)
    probabilities[:, 3] = 1 - probabilities[:, :3].sum(1)
    answers = probabilities.argmax(1)
    lines = [f"# scikit-learn {sklearn.__version__}, numpy {np.__version__}"]
    for label, row in zip(labels, probabilities):
        lines.append(f"row,{label}," + ",".join(f"{p:.6f}" for p in row))

    def value(name, number):
        lines.append(f"value,{name},{float(number)!r}")

    value("accuracy", accuracy_score(labels, answers))
    value("macro_f1", f1_score(labels, answers, average="macro"))
    value("log_loss", log_loss(labels, probabilities, labels=[0, 1, 2, 3]))
    precision, recall, f1, support = precision_recall_fscore_support(labels, answers, labels=[0, 1, 2, 3],
                                                                     zero_division=0)
    for i in range(4):
        value(f"precision{i}", precision[i])
        value(f"recall{i}", recall[i])
        value(f"f1{i}", f1[i])
        value(f"support{i}", support[i])
    confidence, correct = probabilities.max(1), (answers == labels).astype(int)
    counts = np.histogram(confidence, bins=np.linspace(0, 1, 16))[0]
    accuracy, mean = calibration_curve(correct, confidence, n_bins=15, strategy="uniform")
    value("ece", (np.abs(accuracy - mean) * counts[counts > 0]).sum() / 60)
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "evaluation.csv"), "w", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
