"""The classifier of a collection: training, evaluation, prediction, and the choice of a champion.

A model is a folder (`Layout.model`): `model.onnx`, `model.json`, `card.md`, `predictions.parquet`,
and, once it is evaluated, `evaluation.json`, `report.md` and plots.
"""
