"""Fits a small Explainable Boosting Machine on made-up loans, and writes the model, rows, and what it says of them.

    pip install 'interpret-core==0.7.8'
    python build_sample.py

`facts.json` holds the probabilities that `predict_proba` gave for `loans.csv` when `model.json` was written, and with which
versions. The rows have missing numbers and categories, and one category that the model never saw.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from interpret.glassbox import ExplainableBoostingClassifier

HERE = Path(__file__).parent
WORK = ("clerical", "manual", "none", "self-employed")
GRADES = ("a", "b", "c", "d")


def made_up_loans(rows: int, seed: int) -> pd.DataFrame:
    """Loans: who is late depends on income, on its share that the rate takes, on work and on the grade."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "income": np.round(rng.lognormal(7.6, 0.5, rows), 2),
            "rate": np.round(rng.gamma(4.0, 90.0, rows), 2),
            "work": rng.choice(WORK, rows, p=(0.4, 0.3, 0.1, 0.2)),
            "grade": rng.choice(GRADES, rows),
            "sex": rng.choice(("f", "m"), rows),
        }
    )
    burden = frame["rate"] / frame["income"] - 0.18
    logit = 9.0 * burden + 0.8 * (frame["work"] == "none") + 0.35 * frame["grade"].map(GRADES.index) - 1.0
    frame["late"] = np.where(rng.random(rows) < 1.0 / (1.0 + np.exp(-logit)), "yes", "no")
    frame.loc[rng.random(rows) < 0.05, "income"] = np.nan
    frame.loc[rng.random(rows) < 0.04, "work"] = None
    return frame


def main() -> None:
    """Write `model.json`, `loans.csv` and `facts.json`."""
    train, rows = made_up_loans(3000, seed=0), made_up_loans(300, seed=1)
    rows.loc[:4, "work"] = "apprentice"
    columns = ["income", "rate", "work", "grade"]
    model = ExplainableBoostingClassifier(
        feature_types=["continuous", "continuous", "nominal", ["a", "b", "c", "d"]],
        max_bins=48,
        max_interaction_bins=12,
        interactions=2,
        outer_bags=4,
        random_state=0,
        n_jobs=1,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of missing values in its own charts, and that the format is a beta
        model.fit(train[columns], train["late"])
        model.to_json(str(HERE / "model.json"), detail="minimal")
    rows.to_csv(HERE / "loans.csv", index=False)
    packages = ("interpret-core", "numpy", "pandas", "scikit-learn")
    facts = {
        "versions": {name: importlib.metadata.version(name) for name in packages},
        "sha256": {
            name: hashlib.sha256((HERE / name).read_bytes()).hexdigest() for name in ("model.json", "loans.csv")
        },
        "classes": model.classes_.tolist(),
        "predict_proba": model.predict_proba(rows[columns]).tolist(),
    }
    (HERE / "facts.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
