"""A prompt of ComfyUI as a job: a graph of nodes, some of which count steps."""

from collections.abc import Mapping
from typing import Any, Final
from zlib import crc32

from phaseline.model.events import JobCancelled, JobCompleted, JobFailed
from phaseline.reporting import Reporter
from phaseline.text import one_line

__all__ = ["Prompt"]

_WAITING: Final = "queue"
_RUNNING: Final = "run"
"""The phase of a prompt whose nodes are not known."""
_FACTS: Final = ("steps", "width", "height", "batch_size", "length", "frames", "upscale_by")
"""Inputs of nodes on which the duration depends."""
_MOST_NODES: Final = 400
_LARGEST: Final = 1e15
_INTERRUPTED: Final = "interrupted"


class Prompt:
    """Reports one prompt."""

    def __init__(self, reporter: Reporter, prompt_id: str, graph: Mapping[str, Any]) -> None:
        """Start the job.

        Args:
            reporter: Where it is reported.
            prompt_id: ComfyUI's id of the prompt.
            graph: Its nodes by their ids, each with `class_type` and `inputs`.
        """
        self._reporter = reporter
        self._names = _names(graph)
        facts = _facts(graph)
        kinds = " ".join(sorted(str(node.get("class_type")) for node in graph.values() if isinstance(node, dict)))
        size = " ".join(f"{name}={value:g}" for name, value in facts.items())
        self._job = reporter.job(
            f"ComfyUI {_output_of(graph) or prompt_id[:8]}",
            workflow="comfyui",
            series=f"{crc32(kinds.encode()):08x} {size}".strip()[:100],
            info=dict(facts),
            job_id=f"comfyui-{prompt_id}",
            worker={},
        )
        self._job.__enter__()
        self._phase = ""
        self._node = ""
        self._done: set[str] = set()
        self._error = ""

    def wait(self, ahead: int) -> None:
        """Report its place in the queue, behind `ahead` others."""
        self._enter(_WAITING)
        self._job.progress(None, "next" if ahead == 0 else f"{ahead} ahead", phase=_WAITING)

    def run(self) -> None:
        """Report that it runs."""
        if self._phase in ("", _WAITING):
            self._enter(_RUNNING)
            self._job.progress(None, "", phase=_RUNNING)

    def take(self, kind: str, data: Mapping[str, Any]) -> None:
        """Take in a message about it."""
        match kind:
            case "executing" if data.get("node") is not None:
                self._at(str(data["node"]), None, None)
            case "progress":
                self._at(str(data.get("node") or self._node), data.get("value"), data.get("max"))
            case "progress_state" if isinstance(data.get("nodes"), dict):
                self._take_nodes(data["nodes"])
            case "execution_error":
                self._error = _error_of(data)
            case "execution_interrupted":
                self._error = _INTERRUPTED
            case _:
                pass

    def _take_nodes(self, nodes: Mapping[str, Any]) -> None:
        """Take in the state of all nodes that have begun; of several that run, the one with the most steps counts."""
        running = {
            name: node for name, node in nodes.items() if isinstance(node, dict) and node.get("state") == "running"
        }
        if running:
            name = max(running, key=lambda name: _number(running[name].get("max")) or 0.0)
            self._at(name, running[name].get("value"), running[name].get("max"))

    def _at(self, node: str, value: Any, most: Any) -> None:
        phase = self._names.get(node, _RUNNING)
        self._node = node
        done, total = _number(value), _number(most)
        counted = done is not None and total is not None and total > 1
        self._enter(phase)
        self._job.progress(
            None,
            "",
            phase=phase,
            done=min(done or 0.0, total or 0.0) if counted else None,
            total=total if counted else None,
            unit="steps" if counted else "",
        )

    def _enter(self, phase: str) -> None:
        if self._phase not in ("", phase):
            self._job.complete(self._phase)
        self._phase = phase

    def end(self, history: Mapping[str, Any] | None) -> None:
        """Report the end, with the outcome in the history entry; None if there is no entry."""
        status = history.get("status") if history is not None else None
        status = status if isinstance(status, dict) else {}
        error = self._error
        messages = status.get("messages")
        for message in messages if isinstance(messages, list) else ():
            match message:
                case ["execution_error", dict() as data]:
                    error = _error_of(data)
                case ["execution_interrupted", *_]:
                    error = _INTERRUPTED
                case _:
                    pass
        if history is None and not error:
            waited = self._phase == _WAITING
            self.cancel("it was removed from the queue" if waited else "ended; its outcome is not in ComfyUI's history")
        elif error == _INTERRUPTED:
            self.cancel(error)
        elif error or status.get("status_str") == "error":
            self._fail(error or "ComfyUI reports an error")
        else:
            self._job.complete(self._phase or _RUNNING)
            self._reporter.report(JobCompleted(job_id=self._job.job_id))

    def _fail(self, error: str) -> None:
        self._job.error("ComfyUI", error)
        self._reporter.report(JobFailed(job_id=self._job.job_id, result={"error": error}))

    def cancel(self, reason: str) -> None:
        """End the job without an outcome."""
        self._reporter.report(JobCancelled(job_id=self._job.job_id, reason=reason))


def _names(graph: Mapping[str, Any]) -> dict[str, str]:
    """Return the name of each node's phase: its title, with a number if another one has it too."""
    names: dict[str, str] = {}
    for node_id, node in list(graph.items())[:_MOST_NODES]:
        if not isinstance(node, dict):
            continue
        meta = node.get("_meta")
        title = one_line(str((meta.get("title") if isinstance(meta, dict) else None) or node.get("class_type")), 90)
        taken = sum(name == title or name.startswith(f"{title} #") for name in names.values())
        names[node_id] = title if not taken else f"{title} #{taken + 1}"
    return names


def _facts(graph: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers on which the duration depends; of several nodes, the sum of the steps, else the largest."""
    facts: dict[str, float] = {}
    for node in graph.values():
        inputs = node.get("inputs") if isinstance(node, dict) else None
        for name in _FACTS:
            value = _number(inputs.get(name)) if isinstance(inputs, dict) else None
            if value is not None:
                before = facts.get(name, 0.0)
                facts[name] = before + value if name == "steps" else max(before, value)
    return facts


def _output_of(graph: Mapping[str, Any]) -> str:
    """Return the file name prefix of the prompt's pictures, or ""."""
    for node in graph.values():
        inputs = node.get("inputs") if isinstance(node, dict) else None
        prefix = inputs.get("filename_prefix") if isinstance(inputs, dict) else None
        if isinstance(prefix, str) and prefix:
            return one_line(prefix, 80)
    return ""


def _error_of(data: Mapping[str, Any]) -> str:
    where = one_line(str(data.get("node_type") or ""), 80)
    text = one_line(str(data.get("exception_message") or data.get("exception_type") or "an error"), 1000)
    return f"{where}: {text}" if where else text


def _number(value: Any) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _LARGEST
    return float(value) if usable else None
