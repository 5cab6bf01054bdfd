"""The `model` engine: a Bayesian mixture over log-normal phases. Needs numpy; `phaseline.eta` itself does not.

An estimate passes through the modules in this order:

- `history` stores the last runs of a series.
- `covariates` and `design` turn the facts of these runs into columns.
- `fit` estimates each phase, with priors from other series (`lent`); `levels` estimates the trend.
- `components` mixes these with recent runs, outliers, similar series and a prior without knowledge.
- `pace` extrapolates the worker's progress.
- `inference` conditions on all of this, and draws the rest of the run.
- `band` sets the levels of the band's ends; `overdue` counts active jobs among its misses.
- `predictor` and `engine` apply all of this to runs and to jobs; `store` bounds the memory.
"""

from phaseline.eta.model.engine import ModelEngine
from phaseline.eta.model.store import MAX_SERIES

__all__ = ["MAX_SERIES", "ModelEngine"]
