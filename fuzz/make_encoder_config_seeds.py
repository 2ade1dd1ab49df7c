"""Writes the seeds fuzz/corpus/encoder_config/: config.json, modules.json, 1_Pooling/config.json and
sentence_bert_config.json and int8_smoothing.json with NUL bytes between them. The configs are those of tests/golden.

    python3 fuzz/make_encoder_config_seeds.py
"""
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / "fuzz" / "corpus" / "encoder_config"
MODULES = [{"idx": i, "name": str(i), "path": path, "type": "sentence_transformers.models." + kind}
           for i, (path, kind) in enumerate([("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")])]
OLD_POOLING = {"word_embedding_dimension": 16, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
NEW_POOLING = {"embedding_dimension": 16, "pooling_mode": ["mean"], "include_prompt": True}


def packed(value):
    return json.dumps(value, separators=(",", ":"))


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    seeds = {path.parent.name: path.read_text() for path in sorted((ROOT / "tests/golden/architectures").glob("*/config.json"))}
    bert = json.loads(seeds["bert-tokens"])
    modern = {k: v for k, v in json.loads(seeds["modernbert-tokens"]).items() if k not in ("rope_parameters", "layer_types")}
    seeds |= {
        "pooled": "\0".join([packed(bert), packed(MODULES), packed(OLD_POOLING), packed({"max_seq_length": 20})]),
        "pooled_new": "\0".join([packed(bert), packed(MODULES[:2]), packed(NEW_POOLING)]),
        "smoothed": "\0".join([packed(bert), packed(MODULES[:1]), packed(OLD_POOLING), packed({}),
                               packed({"format": 1, "inputs": [[i % 5 - 2 for i in range(bert["hidden_size"])]] * (2 * bert["num_hidden_layers"])})]),
        "no_type": packed({k: v for k, v in bert.items() if k != "model_type"}),
        "decoder": packed({**bert, "is_decoder": True}),
        "relative": packed({**bert, "position_embedding_type": "relative_key"}),
        "old_rotary": packed({**modern, "global_rope_theta": 160000.0, "local_rope_theta": 10000.0}),
        "scaled_rotary": packed({**modern, "rope_scaling": {"type": "linear", "factor": 2}}),
        "padding": packed({**json.loads(seeds["roberta-tokens"]), "pad_token_id": 25}),
    }
    for name, text in seeds.items():
        (FOLDER / f"{name}.seed").write_bytes(text.encode())


main()
