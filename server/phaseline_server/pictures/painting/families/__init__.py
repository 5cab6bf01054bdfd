"""Families of compositions, one per module, where `plan(scene)` returns the layers; other modules are shared parts."""
