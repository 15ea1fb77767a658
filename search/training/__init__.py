"""One trial, from its spec to its result (`run_trial`), in flats.

Modes, by the table in `modes`: `frozen` and those of `network_modes`; `training_mode` is their
boundary. Stacked heads on kept features: `heads`, with `head_shape` and `head_stack`. Networks on
pictures: `network_training`, with `batching`, `network`, `cutting`. A model of the user's own:
`fit_mode`, with `own_fit` and `own_call`. Over both one run over epochs (`training_run`,
`head_scores`); under both `pictures`, `losses`, `optimizer`, `trial_files`.
"""
