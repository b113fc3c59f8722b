"""Whether a model was trained on rows that an audit would evaluate, as far as its bundle says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditbench.errors import StaleModelError

if TYPE_CHECKING:
    from auditbench.data.table import TableSource
    from auditbench.run import HeldOutRows, TrainingFacts


def refuse_learned_rows(training: TrainingFacts | None, source: TableSource, *, where: str) -> None:
    """Refuse weights that were trained on the others of these rows than are evaluated here.

    Args:
        training: What the bundle of the weights says; None where it says nothing.
        where: Key of the weights, for messages.

    Raises:
        StaleModelError: They were trained on the file of the evaluated rows, without other rows than are evaluated.
    """
    there, here = None if training is None else training.held_out, source.held_out
    if there is None or there.file != source.digests.get(source.test.file):
        return
    if here is None or here.digest != there.digest:
        raise StaleModelError(
            f"the model was trained on rows of {source.test.file} that are evaluated here",
            where=where,
            found=f"{_words(there)} in the model, {f'other {_words(here)}' if here else 'none'} here",
            allowed="the rows that were held out when the model was trained",
            fix=f"set data.held_out = {there.share:g} with train.split_by or data.cluster as the model was made, train it again "
            "with `auditbench train CONFIG`, or name a file of rows that it never saw in data.test",
        )


def refuse_other_rows(training: TrainingFacts | None, source: TableSource) -> None:
    """Refuse a model whose training rows are not those that `data.held_out` leaves.

    Raises:
        StaleModelError: Also where its bundle does not say which rows were held out; a model that another program made says
            nothing and passes.
    """
    refuse_learned_rows(training, source, where="data.held_out")
    here = source.held_out
    if training is None or here is None:
        return
    there = training.held_out
    if there is not None and (there.file, there.digest) == (here.file, here.digest):
        return
    raise StaleModelError(
        "the model was trained on other rows than data.held_out leaves, and may have seen those that it holds out",
        where="data.held_out",
        found="nothing of rows held out" if there is None else f"{_words(there)} of another file",
        allowed="a model of the other rows of this file",
        fix="train it on them with `auditbench train CONFIG`; of rows that it never saw, name the file in data.test, without "
        "data.held_out",
    )


def _words(held: HeldOutRows) -> str:
    return f"{held.rows:,} rows held out by the share {held.share:g}"
