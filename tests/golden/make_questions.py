"""Tiny question-answering models with their tokenizers, and what the pipeline of transformers answers with them.

Usage: PYTHONPATH=FOLDER_WITH_TRANSFORMERS_4 python make_questions.py      (transformers 5 has no such pipeline)
Writes tiny_questions/ (BERT, the tokenizer of tiny_bert), tiny_questions_bpe/ (RoBERTa, byte-level BPE) and tiny_questions_unigram/
(XLM-R), each with config.json, model.safetensors, tokenizer.json and expected.json.
Made with transformers 4.57.1, tokenizers 0.22.1, torch 2.15.0.
"""
import json
import pathlib
import random

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (BertConfig, BertForQuestionAnswering, PreTrainedTokenizerFast, RobertaConfig, RobertaForQuestionAnswering,
                          XLMRobertaConfig, XLMRobertaForQuestionAnswering, pipeline)

HERE = pathlib.Path(__file__).parent
torch.set_num_threads(1)
SHAPE = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24)
WORDS = ['the', 'good', 'bad', 'refund', 'refunding', 'the.', 'Good!', 'é', 'ab', 'c', 'Cab', 'cab', 'zebra', '日', 'x.y.', 'GOODING']


def bert_tokenizer():
    return Tokenizer.from_file(str(HERE / 'tiny_bert' / 'tokenizer.json'))


def pair_template(tokenizer):
    tokenizer.post_processor = processors.TemplateProcessing(
        single='<s> $A </s>', pair='<s> $A </s> </s> $B </s>', special_tokens=[('<s>', 0), ('</s>', 2)])
    return tokenizer


def training_texts():
    rng = random.Random(8)
    return [' '.join(rng.choice(WORDS + ["don't", 'it\'s', '1999', 'x86', 'a-b', '(cab)']) for _ in range(12)) for _ in range(40)]


def bpe_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                  show_progress=False)
    tokenizer.train_from_iterator(training_texts(), trainer)
    tokenizer.post_processor = processors.RobertaProcessing(('</s>', 2), ('<s>', 0), trim_offsets=True, add_prefix_space=False)
    return tokenizer


def unigram_tokenizer():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement='▁', prepend_scheme='always')
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=90, special_tokens=SPECIAL, unk_token='<unk>', show_progress=False)
    tokenizer.train_from_iterator(training_texts(), trainer)
    return pair_template(tokenizer)


SPECIAL = ['<s>', '<pad>', '</s>', '<unk>', '<mask>']
BERT_NAMES = dict(pad_token='[PAD]', unk_token='[UNK]', cls_token='[CLS]', sep_token='[SEP]', mask_token='[MASK]',
                  model_input_names=['input_ids', 'token_type_ids', 'attention_mask'])
ROBERTA_NAMES = dict(pad_token='<pad>', unk_token='<unk>', cls_token='<s>', sep_token='</s>', mask_token='<mask>',
                     model_input_names=['input_ids', 'attention_mask'])
KINDS = {'tiny_questions': (bert_tokenizer, BERT_NAMES, BertConfig, BertForQuestionAnswering, 64),
         'tiny_questions_bpe': (bpe_tokenizer, ROBERTA_NAMES, RobertaConfig, RobertaForQuestionAnswering, 66),
         'tiny_questions_unigram': (unigram_tokenizer, ROBERTA_NAMES, XLMRobertaConfig, XLMRobertaForQuestionAnswering, 66)}


def make_model(folder, tokenizer, config_class, model_class, positions):
    more = {} if positions == 64 else dict(type_vocab_size=1, pad_token_id=1)
    config = config_class(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=positions, **SHAPE, **more)
    model = model_class(config).eval()
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.empty_like(parameter).normal_(0, 1, generator=generator)
            gain = 'LayerNorm.weight' in name
            parameter.copy_((noise * (2.0 if 'qa_outputs' in name else 0.5) + (1.0 if gain else 0.0)).bfloat16())
    model.save_pretrained(folder)
    save_file({name: tensor.bfloat16() for name, tensor in load_file(folder / 'model.safetensors').items()},
              str(folder / 'model.safetensors'), {'format': 'pt'})
    tokenizer.save(str(folder / 'tokenizer.json'))
    return model


def passages(rng, words):
    for length in (1, 2, 5, 9, 14, 20, 30, 45):
        for separator in (' ', '  ', '\n'):
            yield separator.join(rng.choice(words) for _ in range(length))


def write(name):
    make_tokenizer, names, config_class, model_class, positions = KINDS[name]
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    raw = make_tokenizer()
    model = make_model(folder, raw, config_class, model_class, positions)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, model_max_length=64, **names)
    answerer = pipeline('question-answering', model=model, tokenizer=tokenizer, device='cpu')
    rng, cases = random.Random(4), []
    for passage in passages(rng, WORDS if positions == 64 else WORDS + ["don't", "it's", '1999', 'x86', 'a-b', '(cab)']):
        question = rng.choice(['the cab?', 'good', 'refund the zebra!'])
        window, stride = rng.choice([(64, 32), (32, 8), (40, 0)])
        options = dict(max_seq_len=window, doc_stride=stride, handle_impossible_answer=rng.random() < 0.7, top_k=rng.choice([1, 3]),
                       max_answer_len=rng.choice([15, 4]))
        answers = answerer(question=question, context=passage, **options)
        cases.append(dict(question=question, passage=passage, window=window, stride=stride, no_answer=options['handle_impossible_answer'],
                          top=options['top_k'], answer_tokens_max=options['max_answer_len'],
                          answers=answers if isinstance(answers, list) else [answers]))
    unanswered = sum(case['answers'][0]['answer'] == '' for case in cases)
    print(name, len(cases), 'cases,', unanswered, 'without an answer')
    (folder / 'expected.json').write_text(json.dumps(cases, ensure_ascii=False, indent=0) + '\n', encoding='utf-8')


for kind in KINDS:
    write(kind)
