"""Random models of every encoder architecture and head, and what transformers computes with them.

Usage: python make_architectures.py tiny           writes golden/architectures/NAME/{config.json,model.safetensors,expected.safetensors}
       python make_architectures.py real FOLDER    the same with the shapes people use (several GB; one at a time with --only NAME)

`tiny` is what architectures_test.cc reads in every run; `real` is what tests/architectures_test.py makes and compares.
expected.safetensors: ids, lengths, types (int32, all sequences one after another), hidden (tokens, hidden) of the body,
and logits: (sequences, labels) for sequence classification, (tokens, labels) for the heads on tokens.
Made with torch 2.15.0, transformers 5.23.0, safetensors 0.8.0.
"""
import argparse
import json
import pathlib

import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).parent
torch.set_num_threads(2)

BERT = dict(vocab_size=24, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
            max_position_embeddings=24)
TINY = {
    'bert': dict(BERT),
    'distilbert': dict(vocab_size=24, dim=16, n_layers=2, n_heads=2, hidden_dim=24, max_position_embeddings=24),
    'roberta': dict(BERT, type_vocab_size=1, max_position_embeddings=26, layer_norm_eps=1e-5, pad_token_id=1),
    'xlm-roberta': dict(BERT, type_vocab_size=1, max_position_embeddings=26, layer_norm_eps=1e-5, pad_token_id=1),
    'electra': dict(BERT, embedding_size=10),
    # Layers 0 and 3 see everything, the others two tokens on either side.
    'modernbert': dict(vocab_size=24, hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=12,
                       max_position_embeddings=24, local_attention=4, global_attn_every_n_layers=3, pad_token_id=0,
                       bos_token_id=2, eos_token_id=3, cls_token_id=2, sep_token_id=3),
}
BASE = dict(hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072)
REAL = {
    'bert': dict(BASE),  # bert-base
    'minilm': dict(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536),
    'distilbert': dict(),
    'roberta': dict(BASE, vocab_size=50265, type_vocab_size=1, max_position_embeddings=514, layer_norm_eps=1e-5),
    'xlm-roberta': dict(BASE, vocab_size=60000, type_vocab_size=1, max_position_embeddings=514, layer_norm_eps=1e-5),
    'electra': dict(),  # electra-small: embeddings of 128, layers of 256
    'modernbert': dict(),  # ModernBERT-base
}
HEADS = {'classification': ('AutoModelForSequenceClassification', 3), 'tokens': ('AutoModelForTokenClassification', 5),
         'questions': ('AutoModelForQuestionAnswering', 2)}
# Further functions by config: name -> (model type, head, settings). Tiny only.
VARIANTS = {
    'bert-gelu_new': ('bert', 'tokens', dict(hidden_act='gelu_new')),
    'distilbert-relu': ('distilbert', 'tokens', dict(activation='relu')),
    'modernbert-mean': ('modernbert', 'classification',
                        dict(classifier_pooling='mean', norm_bias=True, attention_bias=True, mlp_bias=True,
                             classifier_bias=True, classifier_activation='relu')),
}


def randomise(model, spread, seed):
    """Weights with a spread: the initial ones would hide mistakes behind tiny activations and gains of exactly one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.empty_like(parameter).normal_(0, 1, generator=generator)
            gain = parameter.ndim == 1 and name.endswith('weight')
            scale = spread if parameter.ndim == 1 else spread * (16 / parameter.shape[-1]) ** 0.5
            parameter.copy_((noise * scale + (1.0 if gain else 0.0)).bfloat16())


def sequences(config, lengths, seed):
    rng = np.random.RandomState(seed)
    padding = config.pad_token_id if config.model_type in ('roberta', 'xlm-roberta') else None
    out = []
    for length in lengths:
        ids = rng.randint(4, config.vocab_size, length)
        if padding is not None and length > 8:
            ids[[3, 5]] = padding  # "<pad>" in a text: takes the place before the first
        types = np.zeros(length, np.int64)
        if getattr(config, 'type_vocab_size', 0) > 1:
            types[length // 2:] = 1
        out.append((ids, types))
    return out


def write(folder, model_type, head, settings, real):
    class_name, labels = HEADS[head]
    config = transformers.AutoConfig.for_model(model_type, num_labels=labels, **settings)
    config.reference_compile = False
    config._attn_implementation = 'eager'
    torch.manual_seed(1)
    model = getattr(transformers, class_name).from_config(config).eval().float()
    randomise(model, 0.15 if real else 0.4, 7)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    lengths = [1, 2, 16, 33, 128, 300] if real else [1, 2, 5, 12, 22]
    body = getattr(model, model.base_model_prefix)
    hidden, logits, ids, types = [], [], [], []
    with torch.inference_mode():
        for sequence, kinds in sequences(config, lengths, 3):
            inputs = {'input_ids': torch.from_numpy(sequence)[None]}
            if getattr(config, 'type_vocab_size', 0) > 1:
                inputs['token_type_ids'] = torch.from_numpy(kinds)[None]
            # All are real tokens; without the mask the reference takes padding ids in a text for padding.
            inputs['attention_mask'] = torch.ones_like(inputs['input_ids'])
            hidden.append(body(**inputs).last_hidden_state[0])
            out = model(**inputs)
            logits.append(torch.stack([out.start_logits[0], out.end_logits[0]], -1) if head == 'questions' else
                          out.logits if head == 'classification' else out.logits[0])
            ids.append(sequence)
            types.append(kinds)
    save_file({'ids': torch.from_numpy(np.concatenate(ids)).int(), 'types': torch.from_numpy(np.concatenate(types)).int(),
               'lengths': torch.tensor(lengths, dtype=torch.int32), 'hidden': torch.cat(hidden).contiguous(),
               'logits': torch.cat(logits).contiguous()}, str(folder / 'expected.safetensors'))
    if not real:
        shrink(folder)


def shrink(folder):
    """Keeps the committed files small: the weights are bfloat16 values anyway, and most of a config is defaults."""
    path = folder / 'config.json'
    config = json.loads(path.read_text())
    for key in list(config):
        if 'dropout' in key or key in ('transformers_version', 'dtype', 'label2id', 'initializer_range', 'use_cache'):
            del config[key]
    path.write_text(json.dumps(config, sort_keys=True) + '\n')
    path = folder / 'model.safetensors'
    save_file({name: tensor.bfloat16() for name, tensor in load_file(path).items()}, str(path), {'format': 'pt'})


def shallow(settings):
    return {key: min(value, 2 if 'local_attention' in settings else 1) if key in ('num_hidden_layers', 'n_layers') else value
            for key, value in settings.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('kind', choices=['tiny', 'real'])
    parser.add_argument('folder', nargs='?')
    parser.add_argument('--only', help='one NAME, as `bert-classification`')
    options = parser.parse_args()
    real = options.kind == 'real'
    shapes = REAL if real else TINY
    target = pathlib.Path(options.folder) if options.folder else HERE / 'architectures'
    jobs = [(f'{name}-{head}', name, head, settings) for name, settings in shapes.items() for head in HEADS
            if real or name != 'xlm-roberta' or head == 'tokens']  # RoBERTa in all but its name
    if not real:
        # One model of each architecture has all layers, the others are there for their heads.
        jobs = [(name, kind, head, settings if head == 'tokens' else shallow(settings)) for name, kind, head, settings in jobs]
        jobs += [(name, kind, head, shallow(dict(TINY[kind], **settings))) for name, (kind, head, settings) in VARIANTS.items()]
    for name, model_type, head, settings in jobs:
        if options.only in (None, name):
            write(target / name, 'bert' if model_type == 'minilm' else model_type, head, settings, real)


main()
