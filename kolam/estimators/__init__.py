"""Models behind `fit` and `predict`, on scikit-learn's conventions.

Comes in: a matrix of finite numbers in any units, as `kolam.features` makes it, and a label. Goes
out: a fitted estimator that predicts and gives its predict `Graph`. A whole fit is one compiled
program, shared by all tables of about the same size. Refuses: missing and infinite values, a label
of one class, several labels at once.
"""

from kolam.estimators._linear import LinearClassifier, LinearRegressor
from kolam.estimators._mlp import MLPClassifier, MLPRegressor

__all__ = ["LinearClassifier", "LinearRegressor", "MLPClassifier", "MLPRegressor"]
