"""A tiny question-answering model with its tokenizer, and what the pipeline of transformers answers with it.

Usage: PYTHONPATH=FOLDER_WITH_TRANSFORMERS_4 python make_questions.py      (transformers 5 has no such pipeline)
Writes tiny_questions/{config.json,model.safetensors,tokenizer.json,expected.json}. The tokenizer is that of tiny_bert.
Made with transformers 4.57.1, tokenizers 0.22.1, torch 2.15.0.
"""
import json
import pathlib
import random
import shutil

import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForQuestionAnswering, PreTrainedTokenizerFast, pipeline

HERE = pathlib.Path(__file__).parent
FOLDER = HERE / 'tiny_questions'
torch.set_num_threads(1)


def make_model():
    config = BertConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24,
                        max_position_embeddings=64)
    model = BertForQuestionAnswering(config).eval()
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.empty_like(parameter).normal_(0, 1, generator=generator)
            gain = 'LayerNorm.weight' in name
            parameter.copy_((noise * (2.0 if 'qa_outputs' in name else 0.5) + (1.0 if gain else 0.0)).bfloat16())
    model.save_pretrained(FOLDER)
    save_file({name: tensor.bfloat16() for name, tensor in load_file(FOLDER / 'model.safetensors').items()},
              str(FOLDER / 'model.safetensors'), {'format': 'pt'})
    shutil.copy(HERE / 'tiny_bert' / 'tokenizer.json', FOLDER / 'tokenizer.json')
    return model


def passages(rng):
    words = ['the', 'good', 'bad', 'refund', 'refunding', 'the.', 'Good!', 'é', 'ab', 'c', 'Cab', 'cab', 'zebra', '日', 'x.y.', 'GOODING']
    for length in (1, 2, 5, 9, 14, 20, 30, 45):
        for separator in (' ', '  ', '\n'):
            yield separator.join(rng.choice(words) for _ in range(length))


def main():
    FOLDER.mkdir(exist_ok=True)
    model = make_model()
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(FOLDER / 'tokenizer.json'), pad_token='[PAD]', unk_token='[UNK]',
                                        cls_token='[CLS]', sep_token='[SEP]', mask_token='[MASK]', model_max_length=64,
                                        model_input_names=['input_ids', 'token_type_ids', 'attention_mask'])
    answerer = pipeline('question-answering', model=model, tokenizer=tokenizer, device='cpu')
    rng, cases = random.Random(4), []
    for passage in passages(rng):
        question = rng.choice(['the cab?', 'good', 'refund the zebra!'])
        window, stride = rng.choice([(64, 32), (32, 8), (40, 0)])
        options = dict(max_seq_len=window, doc_stride=stride, handle_impossible_answer=rng.random() < 0.7, top_k=rng.choice([1, 3]),
                       max_answer_len=rng.choice([15, 4]))
        answers = answerer(question=question, context=passage, **options)
        cases.append(dict(question=question, passage=passage, window=window, stride=stride, no_answer=options['handle_impossible_answer'],
                          top=options['top_k'], answer_tokens_max=options['max_answer_len'],
                          answers=answers if isinstance(answers, list) else [answers]))
    unanswered = sum(case['answers'][0]['answer'] == '' for case in cases)
    print(len(cases), 'cases,', unanswered, 'without an answer')
    (FOLDER / 'expected.json').write_text(json.dumps(cases, ensure_ascii=False, indent=0) + '\n', encoding='utf-8')


main()
