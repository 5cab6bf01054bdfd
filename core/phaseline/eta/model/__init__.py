"""The `model` engine: a Bayesian mixture over log-normal phases. Needs numpy; `phaseline.eta` itself does not.

How a question is answered, in the order of the modules: `history` keeps the last runs of a series, `covariates` and
`design` make columns of their facts, `fit` says where each phase lies, with what other series lend (`lent`),
`levels` where the series is going, `components` mixes that with recent runs, surprise, similar series and ignorance,
`pace` extrapolates the worker's progress, `inference` conditions on all that and draws the rest of the run, `band`
sets the levels of its ends, `overdue` counts active jobs among its misses, `predictor` and `engine` tie it to runs and
jobs, `store` bounds it all.
"""

from phaseline.eta.model.engine import ModelEngine
from phaseline.eta.model.store import MAX_SERIES

__all__ = ["MAX_SERIES", "ModelEngine"]
