"""Makes every peer's own form of an encoder, once, in WORK/MODEL: export(folder, work) and distilbert(work, bert).

    onnx/f32.onnx, onnx/int8.onnx     ONNX Runtime; int8 is dynamic, per channel
    openvino/f32.xml                  OpenVINO, converted from the ONNX graph; bf16 is a hint at load
    openvino/int8.xml                 OpenVINO, post-training quantization of NNCF with 300 calibration texts
    ctranslate2/                      CTranslate2, weights in int8

Each is a step of its own that is skipped when its result stands, so an interrupted export goes on where it stopped.
"""
import json
import pathlib
import shutil

import numpy as np


def distilbert(work, bert, seed=0):
    """A DistilBERT of the real shape with seeded random weights: nobody's accuracy, everybody's arithmetic. Its tokenizer, which
    CTranslate2's converter asks for, is that of `bert`: any folder with BERT's 30,522 entries."""
    folder = pathlib.Path(work) / 'distilbert_random'
    if not (folder / 'modules.json').exists():
        import torch
        from transformers import DistilBertConfig, DistilBertModel
        torch.manual_seed(seed)
        DistilBertModel(DistilBertConfig()).eval().save_pretrained(folder)
        for name in ('tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json', 'vocab.txt'):
            if (bert / name).exists():
                shutil.copy(bert / name, folder / name)
        (folder / '1_Pooling').mkdir(exist_ok=True)
        (folder / '1_Pooling' / 'config.json').write_text(json.dumps({'word_embedding_dimension': 768, 'pooling_mode_mean_tokens': True}))
        (folder / 'modules.json').write_text(json.dumps([
            {'idx': 0, 'name': '0', 'path': '', 'type': 'sentence_transformers.models.Transformer'},
            {'idx': 1, 'name': '1', 'path': '1_Pooling', 'type': 'sentence_transformers.models.Pooling'}]))
    return folder


def wrapped_model(folder):
    import torch
    from transformers import AutoModel

    class LastHidden(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask):
            return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    return LastHidden(AutoModel.from_pretrained(folder).eval()).eval()


def export_onnx(folder, path):
    import torch
    ids = torch.ones((2, 16), dtype=torch.int64)
    axes = {0: 'rows', 1: 'tokens'}
    torch.onnx.export(wrapped_model(folder), (ids, ids), str(path), input_names=['input_ids', 'attention_mask'], output_names=['y'],
                      dynamic_axes={'input_ids': axes, 'attention_mask': axes, 'y': axes}, opset_version=17, dynamo=False)


def quantize_onnx(f32, path):
    from onnxruntime.quantization import QuantType, quantize_dynamic
    quantize_dynamic(str(f32), str(path), per_channel=True, reduce_range=False, weight_type=QuantType.QInt8)


def export_openvino(onnx, path):
    import openvino
    openvino.save_model(openvino.convert_model(str(onnx)), str(path), compress_to_fp16=False)


def quantize_openvino(f32, path, sequences):
    import nncf
    import openvino

    def inputs(ids):
        row = np.array([ids], dtype=np.int64)
        return {'input_ids': row, 'attention_mask': np.ones_like(row)}

    quantized = nncf.quantize(openvino.Core().read_model(str(f32)), nncf.Dataset(sequences, inputs),
                              model_type=nncf.ModelType.TRANSFORMER, subset_size=len(sequences))
    openvino.save_model(quantized, str(path), compress_to_fp16=False)


def export_ctranslate2(folder, path):
    from ctranslate2.converters import TransformersConverter
    TransformersConverter(str(folder)).convert(str(path), quantization='int8', force=True)


def export(folder, work, sequences):
    """`sequences`: lists of token ids for NNCF to calibrate on. Returns the folder that holds all forms."""
    work = pathlib.Path(work)
    steps = [
        ('onnx/f32.onnx', lambda path: export_onnx(folder, path)),
        ('onnx/int8.onnx', lambda path: quantize_onnx(work / 'onnx/f32.onnx', path)),
        ('openvino/f32.xml', lambda path: export_openvino(work / 'onnx/f32.onnx', path)),
        ('openvino/int8.xml', lambda path: quantize_openvino(work / 'openvino/f32.xml', path, sequences)),
        ('ctranslate2', lambda path: export_ctranslate2(folder, path))]
    for name, make in steps:
        done = work / (name.replace('/', '.') + '.done')
        if done.exists():
            continue
        target = work / name
        target.parent.mkdir(parents=True, exist_ok=True)
        print(f'exporting {target}', flush=True)
        make(target)
        done.touch()
    for name in ('tokenizer.json', 'tokenizer_config.json', 'config.json'):
        if (pathlib.Path(folder) / name).exists() and not (work / name).exists():
            shutil.copy(pathlib.Path(folder) / name, work / name)
    return work
