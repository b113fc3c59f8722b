"""Estimators of scikit-learn, XGBoost and LightGBM as black boxes."""
