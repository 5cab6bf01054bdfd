"""Let Python programs under `phaseline run` report their existing progress bars.

`phaseline run` puts the folder of this file at the head of PYTHONPATH, so Python imports it before the program. It
removes every trace of the folder, prepares to be called when the program imports a library of progress bars, and then
imports the `sitecustomize` that would have been imported without it. If there is none, it raises the same ImportError
as Python does then, which `site` expects.

All is in one file, because a second one takes a millisecond more at each start of Python. Any Python may import it, so
its syntax is that of Python 2 too.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
import os
import sys

_here = os.path.dirname(__file__)
_hook = os.environ.pop("PHASELINE_HOOK", None)
_pid = os.getpid()
_patches = {
    "tqdm.std": "tqdm_bars",
    "rich.progress": "rich_bars",
    "keras.src.callbacks.callback_list": "keras_bars",
    "lightning.pytorch.trainer.call": "lightning_hooks",
    "pytorch_lightning.trainer.call": "lightning_hooks",
    "transformers.trainer_callback": "transformers_events",
}


class _Finder(object):
    """Finds the modules in `_patches` as the other finders do, and has them patched when they have been loaded."""

    def find_spec(self, name, path=None, target=None):
        """Return the module's specification from the next finder that has it."""
        if name not in _patches:
            return None
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec = None if find is None else find(name, path, target)
            if spec is not None:
                _watch(name, spec.loader)
                return spec
        return None


def _watch(name, loader):
    """Patch the module after its loader has executed it; leave the loader itself unchanged."""
    try:
        execute = loader.exec_module

        def exec_module(module):
            execute(module)
            try:
                if module.__name__ == name:
                    del loader.exec_module
                    _patch(name, module)
            except Exception:  # the program must run, even if its progress is lost
                pass

        loader.exec_module = exec_module
    except Exception:  # a loader of another kind
        pass


def _patch(name, module):
    from importlib import import_module, util

    folder = _here + "/_phaseline_hook"
    spec = util.spec_from_file_location("_phaseline_hook", folder + "/__init__.py", submodule_search_locations=[folder])
    assert spec is not None
    assert spec.loader is not None
    if "_phaseline_hook" not in sys.modules:
        sys.modules["_phaseline_hook"] = package = util.module_from_spec(spec)
        spec.loader.exec_module(package)
        package.set_up(_hook, _pid)
    import_module("_phaseline_hook." + _patches.pop(name)).patch(module)


try:
    # Skipped if a program in between has closed the pipe.
    if _hook and sys.version_info >= (3, 7) and str(os.fstat(int(_hook.split(":")[0])).st_ino) == _hook.split(":")[1]:
        sys.meta_path.insert(0, _Finder())
except Exception:  # the program must run, even if its progress is lost
    pass
sys.path[:] = [_entry for _entry in sys.path if _entry != _here]
sys.path_importer_cache.pop(_here, None)
_rest = os.pathsep.join(_entry for _entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if _entry != _here)
if _rest:
    os.environ["PYTHONPATH"] = _rest
else:
    os.environ.pop("PYTHONPATH", None)
if sys.modules.pop("sitecustomize", None) is not None:
    import sitecustomize  # type: ignore[import-not-found]  # noqa: F401 - the one that comes next
