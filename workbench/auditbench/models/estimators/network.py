"""`EstimatorNetwork`: an estimator as a network of raw rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from auditbench.models.black_box import BlackBoxNetwork

if TYPE_CHECKING:
    import numpy.typing as npt

    from auditbench.models.estimators.outputs import Outputs
    from auditbench.models.frames import TableForm


class EstimatorNetwork(BlackBoxNetwork):
    """Computes raw rows of float64 by an estimator, in one thread after the other.

    Attributes:
        estimator: The estimator itself, for explainers that look into it.
        form: How rows become the table that it takes.
        classes: Its number of each class of the data, in the order of the data; empty for values.
    """

    def __init__(
        self, estimator: Any, form: TableForm, outputs: Outputs, *, count: int, where: str, saved_with: str = ""
    ) -> None:
        """Wrap an estimator that gives so many outputs.

        Args:
            saved_with: The version of scikit-learn that it was saved with, where another one is installed.
        """
        again = f"install scikit-learn {saved_with}, which saved it; or fit it again with the version that is installed"
        super().__init__(self.estimated, outputs=count, where=where, fix=again if saved_with else "")
        self.estimator = estimator
        self.form = form
        self.classes = outputs.classes
        self._estimated = outputs.compute

    def estimated(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Outputs of raw rows; sums over the members of an ensemble have one order, since they are made one by one."""
        from joblib import parallel_config  # type: ignore[import-untyped]  # noqa: TID251 - reads no file

        with parallel_config("sequential"):
            return self._estimated(self.form.table(rows))
