"""How many tokens of a text a model of transformers sees, and whether what it gives fits into memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from auditbench.data.inputs import TextInput
from auditbench.data.next_tokens import token_rows
from auditbench.data.subwords import subword_input, subwords_of
from auditbench.data.texts import USUAL_LENGTH
from auditbench.errors import ModelError
from auditbench.machine_memory import GIB, machine_memory_bytes

if TYPE_CHECKING:
    from auditbench.config import InputTable
    from auditbench.data.table import TablePart
    from auditbench.models.formats import ModelRequest

_COPIES = 5
"""Arrays of all outputs in float64 that an audit holds at a time, such as logits, their exponentials and probabilities;
measured: 4.7 beyond what it needs without."""
_SHARE = 2


def text_of_request(request: ModelRequest) -> tuple[str, InputTable]:
    """The only input of the data, by name.

    Raises:
        ModelError: It is no text, there are several, or it has a tokenizer of its own.
    """
    inputs = request.source.table.inputs
    named = ", ".join(f"{name} ({item.modality})" for name, item in inputs.items()) or "a table"
    only = next(iter(inputs.items())) if len(inputs) == 1 else None
    if only is None or only[1].modality != "text":
        raise ModelError(
            "the model takes one text",
            where="data.inputs",
            found=named,
            allowed='one input with modality = "text"',
            fix='add [data.inputs.text] with modality = "text" and the column of the texts',
        )
    if only[1].tokenizer:
        raise ModelError(
            "the folder has a tokenizer of its own",
            where=f"data.inputs.{only[0]}.tokenizer",
            found=only[1].tokenizer,
            allowed="nothing: tokenizer.json of the folder is used",
            fix="remove it",
        )
    return only


def fitted_text(
    request: ModelRequest, tokenizer: str, *, most: int | None, size: int | None, where: str
) -> dict[str, TextInput]:
    """The text input as the model sees it, by name.

    Without `length` in the config a text is as long as the longest of the rows, at most 512 tokens and what the model takes.

    Args:
        most: Tokens that the model has positions for; None where there is no limit.
        size: Ids that the network has.

    Raises:
        ModelError: The config asks for more tokens than the model takes, or the tokenizer has more than the network.
    """
    name, table = text_of_request(request)
    subwords = subwords_of(tokenizer)
    if size is not None and subwords.size > size:
        raise ModelError(
            "the tokenizer has tokens that the network does not know",
            where=where,
            found=f"ids up to {subwords.size - 1:,}",
            allowed=f"ids up to {size - 1:,}",
            fix="take the tokenizer that the model was trained with, or model.resize_token_embeddings(len(tokenizer))",
        )
    if table.length is not None and most is not None and table.length > most:
        raise ModelError(
            "the model does not take texts of this length",
            where=f"data.inputs.{name}.length",
            found=f"{table.length:,} tokens",
            allowed=f"at most {most:,}",
            fix=f"set it to {most} or less; of longer texts one end is left out",
        )
    bound = min(USUAL_LENGTH, most or USUAL_LENGTH)
    length = table.length or min(bound, max(_longest(request, name, tokenizer), subwords.around + 1))
    return {name: subword_input(tokenizer, length=length, kept=table.kept, size=size)}


def positions(model: nn.Module, config: Any) -> int | None:
    """Tokens that a network has positions for; a RoBERTa begins to count behind its padding."""
    most = getattr(config, "max_position_embeddings", None)
    if not isinstance(most, int) or most < 1:
        return None
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding) and module.padding_idx is not None:
            return min(most, module.num_embeddings) - module.padding_idx - 1
    return most


def refuse_many_rows(request: ModelRequest, name: str, item: TextInput) -> None:
    """Refuse a language model whose outputs for all evaluated rows do not fit into memory, before any is computed.

    Raises:
        ModelError: With the number of rows that fit.
    """
    rows = len(token_rows(request.source.test, name, item, overlapping=True).y_true)
    rows = min(rows, request.source.table.max_rows or rows)
    memory = _memory()
    each = len(item.vocabulary) * 8 * _COPIES
    fitting = memory // _SHARE // each
    if rows > fitting:
        raise ModelError(
            "what the model gives for all rows does not fit into memory",
            where="data.max_rows",
            found=f"{rows:,} rows of {len(item.vocabulary):,} tokens, {rows * each / GIB:,.1f} GiB, with {memory / GIB:,.1f} GiB there",
            allowed=f"{fitting:,} rows",
            fix=f"set data.max_rows = {max(1, fitting)} or less",
        )


def _memory() -> int:
    """Memory of the machine, or what this process may take of it."""
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    machine = machine_memory_bytes()
    return machine if soft == resource.RLIM_INFINITY else min(machine, soft)


def _longest(request: ModelRequest, name: str, tokenizer: str) -> int:
    """Tokens of the longest text, with the special ones; of training rows where there are some."""
    source = request.source
    part: TablePart = source.train if source.train is not None and len(source.train) else source.test
    encode = subwords_of(tokenizer).encode
    return max((len(ids) for block in part.inputs[name].blocks() for ids in encode(block)), default=1)
