"""Folders as transformers writes them, of tiny networks with tokenizers that were trained on a few texts."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import pandas as pd
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from auditbench.config import DataTable, InputTable, ModelTable
from auditbench.data import open_source
from auditbench.models.formats import ModelRequest

TEXTS = (
    "the cat sat on the mat",
    "",
    "dogs bark at the moon and cats meow " * 9,
    "a film that was very good",
    "\u4e2d\u6587 emoji \U0001f642 na\u00efve \u043f\u0440\u0438\u0432\u0435\u0442",
    "word",
)
"""Shorter and longer than the window, without a token, and in scripts that the tokenizers have not seen."""

CORPUS = [*TEXTS, "a film that was very bad and long", "cats and dogs and mats and hats"] * 3
UNKNOWN = {"unk_token": "[UNK]"}
BERT_TOKENS = {**UNKNOWN, "pad_token": "[PAD]"}
GPT2_TOKENS = {"eos_token": "<|endoftext|>"}
LLAMA_TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
ROBERTA_TOKENS = {**LLAMA_TOKENS, "pad_token": "<pad>", "unk_token": "<unk>"}
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_BERT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
_GPT = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 24}


def word_pieces() -> Tokenizer:
    """WordPiece as BERT has it, with `[CLS]` and `[SEP]` around a text; the same each time, which its training is not."""
    return Tokenizer.from_str(_word_pieces())


def byte_pairs(special: tuple[str, ...] = ("<|endoftext|>",)) -> Tokenizer:
    """Byte-level BPE as GPT-2 has it, with nothing around a text."""
    return Tokenizer.from_str(_byte_pairs(special))


def save(folder: Path, model: Any, tokenizer: Tokenizer, **tokens: str) -> Path:
    """Write a folder with transformers' own functions."""
    transformers.utils.logging.disable_progress_bar()
    model.eval().save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **tokens).save_pretrained(folder)
    return folder


def bert_classifier(folder: Path, labels: tuple[str, ...] = ("a", "b", "c"), **settings: Any) -> Path:
    """A BertForSequenceClassification."""
    return _classifier(folder, transformers.BertConfig, transformers.BertForSequenceClassification, labels, settings)


def distilbert_classifier(folder: Path) -> Path:
    """A DistilBertForSequenceClassification."""
    small = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}
    kind = transformers.DistilBertForSequenceClassification
    return _classifier(folder, transformers.DistilBertConfig, kind, ("a", "b", "c"), small)


def roberta_classifier(folder: Path) -> Path:
    """A RobertaForSequenceClassification, whose positions begin behind its padding."""
    torch.manual_seed(0)
    tokenizer = byte_pairs(("<s>", "<pad>", "</s>", "<unk>", "<mask>"))
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    config = transformers.RobertaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        max_position_embeddings=26,
        type_vocab_size=1,
        id2label=dict(enumerate("abc")),
        **_BERT,
    )
    model = transformers.RobertaForSequenceClassification(config)
    return save(folder, model, tokenizer, **ROBERTA_TOKENS)


def gpt2_classifier(folder: Path, **settings: Any) -> Path:
    """A GPT2ForSequenceClassification, which looks at the last token of a text."""
    torch.manual_seed(0)
    tokenizer = byte_pairs()
    config = transformers.GPT2Config(
        vocab_size=tokenizer.get_vocab_size(), num_labels=2, bos_token_id=0, eos_token_id=0, **_GPT, **settings
    )
    return save(folder, transformers.GPT2ForSequenceClassification(config), tokenizer, **GPT2_TOKENS)


def gpt2(folder: Path) -> Path:
    """A GPT2LMHeadModel with tied weights, and three more ids than its tokenizer has."""
    torch.manual_seed(0)
    tokenizer = byte_pairs()
    config = transformers.GPT2Config(vocab_size=tokenizer.get_vocab_size() + 3, bos_token_id=0, eos_token_id=0, **_GPT)
    return save(folder, transformers.GPT2LMHeadModel(config), tokenizer, **GPT2_TOKENS)


def llama(folder: Path) -> Path:
    """A LlamaForCausalLM, whose tokenizer puts `<s>` in front of every text."""
    torch.manual_seed(0)
    tokenizer = byte_pairs(("<unk>", "<s>", "</s>"))
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    config = transformers.LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=24, num_key_value_heads=1, **_BERT
    )
    return save(folder, transformers.LlamaForCausalLM(config), tokenizer, **LLAMA_TOKENS)


def bert(folder: Path) -> Path:
    """A BertModel without any head."""
    torch.manual_seed(0)
    tokenizer = word_pieces()
    config = transformers.BertConfig(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=24, **_BERT)
    return save(folder, transformers.BertModel(config), tokenizer, **BERT_TOKENS)


def request(
    folder: Path,
    rows: Path,
    frame: pd.DataFrame,
    task: str,
    *,
    text: dict[str, Any] | None = None,
    data: dict[str, Any] | None = None,
    **model: Any,
) -> ModelRequest:
    """What the loader is asked for, with the rows written to a file of the folder `rows`."""
    frame.to_parquet(rows / "rows.parquet", index=False)
    inputs = {"text": InputTable(modality="text", **(text or {}))}
    table = DataTable(**{"test": "rows.parquet", "target": "label", "inputs": inputs, **(data or {})})
    return ModelRequest(
        path=folder,
        base=rows,
        table=ModelTable(format="huggingface", path=str(folder), task=task, **model),
        source=open_source(table, rows, {}),
        device="cpu",
        architectures={},
    )


def frame_of(labels: str | list[Any], texts: tuple[str, ...] = TEXTS, **columns: Any) -> pd.DataFrame:
    """Texts with a label each."""
    return pd.DataFrame({"text": list(texts), "label": list(labels), **columns})


@functools.cache
def _word_pieces() -> str:
    made = Tokenizer(models.WordPiece(**UNKNOWN))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    made.train_from_iterator(
        CORPUS, trainers.WordPieceTrainer(vocab_size=120, special_tokens=SPECIAL, show_progress=False)
    )
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return made.to_str()


@functools.cache
def _byte_pairs(special: tuple[str, ...]) -> str:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(CORPUS, trainer)
    return made.to_str()


def _classifier(folder: Path, settings: Any, network: Any, labels: tuple[str, ...], sizes: dict[str, Any]) -> Path:
    torch.manual_seed(0)
    tokenizer = word_pieces()
    config = settings(
        vocab_size=tokenizer.get_vocab_size(),
        max_position_embeddings=24,
        id2label=dict(enumerate(labels)),
        label2id={name: index for index, name in enumerate(labels)},
        **{**(_BERT if settings is transformers.BertConfig else {}), **sizes},
    )
    return save(folder, network(config), tokenizer, **BERT_TOKENS)
