"""One peer as a process of its own: reads lines, answers lines, so that run.py can ask several in turn.

    python engine.py ENGINE FOLDER FORMS THREADS      FOLDER: the checkpoint, FORMS: what export.py made of it

    time ROWS TOKENS SECONDS   -> median milliseconds of a call
    embed ID ID ..             -> the pooled vector (mean over tokens) of one sequence
    texts FILE THREADS BATCH   -> rows a second: one text a line, tokenized and embedded in the order in which they stand

bench/encoder_server.cc speaks the same for smidgen. Its first line says what it is.
"""
import concurrent.futures
import os
import pathlib
import statistics
import sys
import time

NAME, FOLDER, FORMS, THREADS = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), int(sys.argv[4])
os.environ.update(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1', TOKENIZERS_PARALLELISM='false')

import numpy as np  # noqa: E402


def onnx_engine(file):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(FORMS / 'onnx' / file), options, providers=['CPUExecutionProvider'])

    def run(ids, mask):
        return session.run(None, {'input_ids': ids, 'attention_mask': mask})[0]
    return run, f'onnxruntime {onnxruntime.__version__}'


def openvino_engine(file, hint):
    import openvino
    settings = {'INFERENCE_NUM_THREADS': THREADS, 'NUM_STREAMS': THREADS, 'ENABLE_CPU_PINNING': False}
    if hint:
        settings['INFERENCE_PRECISION_HINT'] = hint
    model = openvino.Core().compile_model(str(FORMS / 'openvino' / file), 'CPU', settings)
    local = []

    def run(ids, mask):
        try:
            request = local.pop()
        except IndexError:  # another thread has it
            request = model.create_infer_request()
        y = request.infer({'input_ids': ids, 'attention_mask': mask}, share_inputs=True)[0].copy()
        local.append(request)
        return y
    return run, f'openvino {openvino.__version__.split("-")[0]}'


def ctranslate2_engine():
    import ctranslate2
    encoder = ctranslate2.Encoder(str(FORMS / 'ctranslate2'), device='cpu', compute_type='int8', inter_threads=THREADS, intra_threads=1)

    def run(ids, mask):
        lengths = mask.sum(axis=1).astype(np.int32)
        y = encoder.forward_batch(ctranslate2.StorageView.from_array(ids.astype(np.int32)), ctranslate2.StorageView.from_array(lengths))
        return np.array(y.last_hidden_state)
    return run, f'ctranslate2 {ctranslate2.__version__}'


def torch_engine(precision):
    import torch
    from transformers import AutoModel
    torch.set_num_threads(1)
    model = AutoModel.from_pretrained(FOLDER).eval().to(torch.bfloat16 if precision == 'bf16' else torch.float32)

    def run(ids, mask):
        with torch.inference_mode():
            return model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)).last_hidden_state.float().numpy()
    return run, f'torch {torch.__version__}'


ENGINES = {
    'onnxruntime-f32': lambda: onnx_engine('f32.onnx'),
    'onnxruntime-int8': lambda: onnx_engine('int8.onnx'),
    'openvino-f32': lambda: openvino_engine('f32.xml', 'f32'),
    'openvino-bf16': lambda: openvino_engine('f32.xml', 'bf16'),
    'openvino-int8': lambda: openvino_engine('int8.xml', None),
    'ctranslate2-int8': ctranslate2_engine,
    'torch-f32': lambda: torch_engine('f32'),
    'torch-bf16': lambda: torch_engine('bf16')}


def pooled(y, mask):
    return (y * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)


def time_calls(run, rows, tokens, seconds):
    ids = np.random.RandomState(tokens).randint(1000, 20000, (rows, tokens)).astype(np.int64)
    mask = np.ones_like(ids)
    for _ in range(2):
        run(ids, mask)
    times, start = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - start < seconds:
        before = time.perf_counter()
        run(ids, mask)
        times.append(1e3 * (time.perf_counter() - before))
    return statistics.median(times)


def rows_per_second(run, file, threads, batch):
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(str(pathlib.Path(FOLDER) / 'tokenizer.json'))
    tokenizer.enable_truncation(256)
    tokenizer.no_padding()
    texts = pathlib.Path(file).read_text(encoding='utf-8').split('\n')[:-1]

    def answer(first):
        encoded = tokenizer.encode_batch(texts[first:first + batch])
        width = max(len(e.ids) for e in encoded)
        ids = np.zeros((len(encoded), width), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, e in enumerate(encoded):
            ids[row, :len(e.ids)] = e.ids
            mask[row, :len(e.ids)] = 1
        return pooled(run(ids, mask), mask)

    answer(0)
    start = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(answer, range(0, len(texts), batch)):
            pass
    return len(texts) / (time.perf_counter() - start)


def main():
    run, what = ENGINES[NAME]()
    print(what, flush=True)
    for line in sys.stdin:
        words = line.split()
        if words[0] == 'time':
            answer = f'{time_calls(run, int(words[1]), int(words[2]), float(words[3])):.6f}'
        elif words[0] == 'embed':
            ids = np.array([[int(word) for word in words[1:]]], dtype=np.int64)
            answer = ' '.join(f'{x:.9g}' for x in pooled(run(ids, np.ones_like(ids)), np.ones_like(ids))[0])
        else:
            answer = f'{rows_per_second(run, words[1], int(words[2]), int(words[3])):.6f}'
        print(answer, flush=True)


main()
