"""Estimators against scikit-learn: accuracy, error and seconds on real tables.

usage: python benchmarks/estimators.py [DATA]     DATA holds heart.csv and taxi/taxi.csv

Prints one JSON line per table, split seed and estimator. A quarter of the rows is the test set.
Peers get standardised columns (linear models, networks) or native categories (boosted trees).
"""

import json
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import mean_absolute_error, mean_squared_error, roc_auc_score
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.neural_network import MLPClassifier as PeerMLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kolam import estimators, features

SEEDS = range(5)


def timed_fit(model: Any, *data: Any) -> tuple[Any, float]:
    start = time.perf_counter()
    model.fit(*data)
    return model, round(time.perf_counter() - start, 4)


def classifiers(seed: int) -> Iterator[tuple[str, Any]]:
    yield "LinearClassifier", estimators.LinearClassifier()
    yield "MLPClassifier", estimators.MLPClassifier(random_state=seed)
    logistic = LogisticRegression(max_iter=1000)
    yield "sklearn LogisticRegression", make_pipeline(StandardScaler(), logistic)
    network = PeerMLPClassifier(max_iter=300, random_state=0)
    yield "sklearn MLPClassifier", make_pipeline(StandardScaler(), network)


def classification() -> Iterator[dict[str, Any]]:
    for name, load in (("breast_cancer", load_breast_cancer), ("digits", load_digits)):
        x, y = load(return_X_y=True)
        for seed in SEEDS:
            a, b, ya, yb = train_test_split(x, y, random_state=seed, stratify=y)
            for title, model in classifiers(seed):
                fitted, seconds = timed_fit(model, a, ya)
                accuracy = round(float(fitted.score(b, yb)), 4)
                yield {
                    **{"table": name, "seed": seed, "estimator": title},
                    **{"accuracy": accuracy, "fit_seconds": seconds},
                }


def heart(folder: Path) -> Iterator[dict[str, Any]]:
    table = pd.read_csv(folder / "heart.csv").drop(columns="num")
    for title in ("LinearClassifier", "MLPClassifier"):
        areas = []
        for seed in SEEDS:
            folds = StratifiedKFold(5, shuffle=True, random_state=seed)
            for chosen, held in folds.split(table, table.target):
                program = features.fit(table.iloc[chosen], label="target", task="binary")
                model = getattr(estimators, title)()
                if title == "MLPClassifier":
                    model.set_params(random_state=seed)
                model.fit(program.apply(table.iloc[chosen]), table.target.iloc[chosen])
                scores = model.predict_proba(program.apply(table.iloc[held]))[:, 1]
                areas.append(roc_auc_score(table.target.iloc[held], scores))
        yield {"table": "heart", "estimator": title, "cv_auc": round(float(np.mean(areas)), 4)}


def taxi(folder: Path) -> Iterator[dict[str, Any]]:
    table = pd.read_csv(folder / "taxi" / "taxi.csv")
    coded = table.drop(columns=["tips", "pickup_census_tract"])
    for column in ("payment_type", "company"):
        coded[column] = coded[column].astype("category")
    for seed in SEEDS:
        chosen, held = train_test_split(table, random_state=seed)
        peer = HistGradientBoostingRegressor(random_state=0, categorical_features="from_dtype")
        peer, peer_seconds = timed_fit(peer, coded.loc[chosen.index], chosen.tips)
        program = features.fit(chosen, label="tips")
        model = estimators.MLPRegressor(random_state=seed)
        model, seconds = timed_fit(model, program.apply(chosen), chosen.tips.to_numpy())
        theirs = peer.predict(coded.loc[held.index])
        ours = model.predict(program.apply(held))
        rmse = [mean_squared_error(held.tips, values) ** 0.5 for values in (ours, theirs)]
        mae = [mean_absolute_error(held.tips, values) for values in (ours, theirs)]
        yield {
            **{"table": "taxi tips", "seed": seed, "estimator": "MLPRegressor"},
            **{"rmse": round(rmse[0], 4), "rmse_to_boosted_trees": round(rmse[0] / rmse[1], 3)},
            **{"mae": round(mae[0], 4), "mae_to_boosted_trees": round(mae[0] / mae[1], 3)},
            **{"fit_seconds": seconds, "peer_fit_seconds": peer_seconds},
        }


def wide() -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((15_000, 200), np.float32)
    y = x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2]) + 0.1 * rng.standard_normal(15_000)
    for run in ("first", "warm"):
        model, seconds = timed_fit(estimators.MLPRegressor(random_state=0), x[:12_000], y[:12_000])
        score = round(float(model.score(x[12_000:], y[12_000:])), 3)
        yield {
            **{"table": "15k x 200", "estimator": "MLPRegressor", "run": run},
            **{"r2": score, "fit_seconds": seconds},
        }


def main() -> None:
    warnings.filterwarnings("ignore")  # the peers stop early and say so
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    tables = [classification(), wide()]
    if folder is not None:
        tables += [heart(folder), taxi(folder)]
    for results in tables:
        for result in results:
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
