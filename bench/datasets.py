"""The sixteen sets of the quality table and how their rows are capped: train at 12,000 and test at 6,000 rows, in both cases the first
rows of NumPy's RandomState(0).permutation, so that every contestant sees the same rows."""
import csv
import pathlib

csv.field_size_limit(1 << 30)

SETS = ['banking77', 'trec6', 'sms_spam', 'sst2', 'clinc150_oos', 'tweeteval_emotion', 'financial_phrasebank', 'uci_sentiment3000',
        'ag_news_test7600', 'medical_abstracts_test2888', 'davidson_hate_offensive', 'unfair_tos_type', 'tweeteval_sentiment',
        'pricerunner_products', 'bitext_support27', 'spamassassin']
CAPS = {'train': 12000, 'test': 6000}


def rows(data, name, part):
    """[(text, label)] of one part of a set, capped."""
    import numpy
    with open(pathlib.Path(data) / name / f'{part}.csv', newline='', encoding='utf-8') as file:
        all_rows = [(row['text'], row['label']) for row in csv.DictReader(file)]
    cap = CAPS[part]
    if len(all_rows) > cap:
        all_rows = [all_rows[i] for i in numpy.random.RandomState(0).permutation(len(all_rows))[:cap]]
    return all_rows


def write(path, pairs):
    with open(path, 'w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(['text', 'label'])
        writer.writerows(pairs)
