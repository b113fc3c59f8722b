"""Train the classifier of this example with transformers and write it as `save_pretrained` does.

Run as `python examples/08-huggingface/build_model.py`; it needs `pip install 'auditbench[text]'` and takes a few minutes. It
reads the training posts of `../03-text/news.parquet`, trains a WordPiece tokenizer and a small BERT on them, and writes both to
`newsgroups-bert/`. The audit itself never runs this script: it opens the folder that is there.

Equal versions of the libraries and one kind of processor write equal bytes; another machine may write other numbers. The figures
in `expected.toml` are of the folder that stands here.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import pandas as pd
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch.nn import functional
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

HERE = Path(__file__).parent
POSTS = HERE.parent / "03-text" / "news.parquet"
GROUPS = ("alt.atheism", "soc.religion.christian")
SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
TOKENS, LENGTH = 3000, 128
EPOCHS, BATCH, RATE = 30, 32, 1e-3


def main() -> None:
    """Train and write the folder that `--out` names."""
    parser = argparse.ArgumentParser(description="Train the classifier of this example.")
    parser.add_argument(
        "--out",
        type=Path,
        default=HERE / "newsgroups-bert",
        help="folder to write (default: the one beside this script)",
    )
    out: Path = parser.parse_args().out
    torch.manual_seed(0)
    torch.set_num_threads(1)
    posts = pd.read_parquet(POSTS)
    train, test = (posts[posts["split"] == part] for part in ("train", "test"))
    tokenizer = train_tokenizer(train["text"].tolist())
    model = train_model(tokenizer, train)
    print(f"accuracy on {len(test)} later posts: {accuracy(model, tokenizer, test):.4f}")
    model.save_pretrained(out)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **SPECIAL,
        model_max_length=LENGTH,
    ).save_pretrained(out)


def train_tokenizer(texts: list[str]) -> Tokenizer:
    """WordPiece as BERT has it, learned from these texts; ids in alphabetical order, since the trainer's own differ from run to
    run."""
    learned = _word_pieces(models.WordPiece(unk_token=SPECIAL["unk_token"]))
    learned.train_from_iterator(
        texts, trainers.WordPieceTrainer(vocab_size=TOKENS, special_tokens=list(SPECIAL.values()))
    )
    tokens = [*SPECIAL.values(), *sorted(set(learned.get_vocab()) - set(SPECIAL.values()))]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = _word_pieces(models.WordPiece(vocabulary, unk_token=SPECIAL["unk_token"]))
    tokenizer.add_special_tokens(list(SPECIAL.values()))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def train_model(tokenizer: Tokenizer, posts: pd.DataFrame) -> BertForSequenceClassification:
    """A BERT of two layers; each epoch sees another window of each post."""
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=LENGTH,
        hidden_dropout_prob=0.2,
        id2label=dict(enumerate(GROUPS)),
        label2id={name: index for index, name in enumerate(GROUPS)},
    )
    model = BertForSequenceClassification(config)
    ids = [each.ids for each in tokenizer.encode_batch(posts["text"].tolist(), add_special_tokens=False)]
    labels = torch.tensor([GROUPS.index(label) for label in posts["label"]])
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.05)
    steps = EPOCHS * -(-len(ids) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.2)
    for epoch in range(EPOCHS):
        model.train()
        total = 0.0
        for rows in torch.randperm(len(ids)).split(BATCH):
            given, mask = windows([ids[row] for row in rows.tolist()], tokenizer)
            loss = functional.cross_entropy(model(input_ids=given, attention_mask=mask).logits, labels[rows])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += float(loss) * len(rows)
        print(f"epoch {epoch + 1}: loss {total / len(ids):.4f}")
    return model.eval()


def windows(texts: list[list[int]], tokenizer: Tokenizer) -> tuple[torch.Tensor, torch.Tensor]:
    """A window of each text that begins at random, between [CLS] and [SEP], and which of its places are no padding."""
    room = LENGTH - 2
    given = torch.zeros((len(texts), LENGTH), dtype=torch.int64)
    for row, ids in enumerate(texts):
        begin = int(torch.randint(max(1, len(ids) - room + 1), ()))
        shown = [tokenizer.token_to_id("[CLS]"), *ids[begin : begin + room], tokenizer.token_to_id("[SEP]")]
        given[row, : len(shown)] = torch.tensor(shown)
    return given, (given != 0).long()


def accuracy(model: BertForSequenceClassification, tokenizer: Tokenizer, posts: pd.DataFrame) -> float:
    """Share of posts that are put into their group by their first tokens."""
    cut = Tokenizer.from_str(tokenizer.to_str())
    cut.enable_truncation(LENGTH)
    cut.enable_padding(length=LENGTH, pad_id=0)
    given = torch.tensor([each.ids for each in cut.encode_batch(posts["text"].tolist())])
    with torch.no_grad():
        outputs = torch.cat(
            [model(input_ids=part, attention_mask=(part != 0).long()).logits for part in given.split(64)]
        )
    labels = torch.tensor([GROUPS.index(label) for label in posts["label"]])
    return float((outputs.argmax(1) == labels).float().mean())


def _word_pieces(model: models.WordPiece) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


if __name__ == "__main__":
    main()
