"""Compositions, a module each; `plan(scene)` returns the layers. Others hold what compositions share."""
