"""Apply an adapter's rules to a line."""

from collections.abc import Mapping, Sequence

from phaseline_cli.run.adapter import Rule
from phaseline_cli.run.numbers import number, parse
from phaseline_cli.run.program import Lines


class Rules(Lines):
    """One run's state of an adapter's rules: the totals and steps that earlier lines named."""

    def begin(self, argv: Sequence[str]) -> None:  # noqa: ARG002
        """Begin without totals."""
        self._of = "both" if len(self.adapter.phases) <= 1 else "phase"
        self._total: float | None = None
        self._count = 0
        self._steps: tuple[float, float] | None = None

    def line(self, text: str) -> bool:
        """Take in a line; return whether a rule matched. The first rule that matches wins."""
        for rule in self.adapter.rules:
            match = rule.pattern.search(text)
            if match is not None:
                self._apply(rule, match.groupdict())
                return True
        return False

    def _apply(self, rule: Rule, groups: Mapping[str, str | None]) -> None:
        values = {name: value for name, value in groups.items() if value is not None}
        progress = self.progress
        phase = self._phase(rule, values)
        if phase:
            progress.enter(phase)
        elif progress.now.phase is None and len(self.adapter.phases) == 1:
            progress.enter(self.adapter.phases[0])
        if rule.restart:
            progress.restart()
        fraction = self._fraction(rule, values)
        of = rule.of or self._of
        self._step(rule, values)
        if self._steps is not None:
            step, steps = self._steps
            progress.of_phase(fraction)
            inner = progress.now.fraction or 0.0
            progress.of_run((step + inner) / steps if steps > 0 else None)
        else:
            if of != "run":
                progress.of_phase(fraction)
            if of != "phase" and fraction is not None:
                progress.of_run(fraction)
        if "text" in values:
            progress.say(values["text"].strip())

    def _phase(self, rule: Rule, values: Mapping[str, str]) -> str:
        named = values.get("phase", "").strip()
        named = rule.names.get(named, named)
        if rule.phase:
            return rule.phase.format_map({**values, "phase": named})
        return named

    def _fraction(self, rule: Rule, values: Mapping[str, str]) -> float | None:
        total = parse(values["total"], rule.unit) if "total" in values else None
        done = parse(values["done"], rule.unit) if "done" in values else None
        left = parse(values["left"], rule.unit) if "left" in values else None
        if total is not None and done is None and left is None:
            self._total, self._count = total, 0
        if "each" in values:
            self._count += 1
            done = self._count
        if rule.fact and total is not None:
            self.progress.reveal(rule.fact, total)
        total = self._total if total is None else total
        if left is not None and total is not None:
            done = total - left
        if done is not None:
            self.progress.count(done, total, rule.label or rule.unit)
        if "percent" in values:
            percent = number(values["percent"])
            return None if percent is None else percent / 100
        if "fraction" in values:
            return number(values["fraction"])
        return done / total if done is not None and total else None

    def _step(self, rule: Rule, values: Mapping[str, str]) -> None:
        step = number(values["step"]) if "step" in values else None
        steps = number(values["steps"]) if "steps" in values else None
        if step is None:
            return
        old = self._steps
        total = steps if steps is not None else (old[1] if old else None)
        if total is not None:
            self._steps = (step - rule.first, total)
