// The lengths of the runs of one series: a point each, the median as a line.

import { svg } from "./dom.js";
import { clock, duration } from "./format.js";

/** @typedef {{at: number, seconds: number, failed: boolean, name: string, id: string}} Run */

const HEIGHT = 220;
const MARGIN = { left: 62, right: 12, top: 12, bottom: 24 };
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800];

/** @param {number[]} numbers */
export function median(numbers) {
  if (!numbers.length) return null;
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** The distance of the lines, so that there are at most four. @param {number} most */
export const stepOf = (most) => STEPS.find((step) => most / step <= 4) ?? Math.ceil(most / 4);

/** The word at a line. @param {number} seconds */
export const tick = (seconds) => (seconds ? duration(seconds).replace(/ 00?[smh]$/, "") : "0");

/**
 * @param {Run[]} runs
 * @param {number} width Pixels.
 * @param {(run: Run) => void} open
 */
export function lengths(runs, width, open) {
  const right = width - MARGIN.right;
  const bottom = HEIGHT - MARGIN.bottom;
  const times = runs.map((run) => run.at);
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const most = Math.max(0.001, ...runs.map((run) => run.seconds)) * 1.05;
  /** @param {number} at */
  const x = (at) => (last > first ? MARGIN.left + ((at - first) / (last - first)) * (right - MARGIN.left - 8) + 4 : (MARGIN.left + right) / 2);
  /** @param {number} seconds */
  const y = (seconds) => bottom - (seconds / most) * (bottom - MARGIN.top);
  const drawn = svg("svg", { class: "lengths", width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, "aria-hidden": "true" });
  const step = stepOf(most);
  for (let line = 0; line <= most; line += step) {
    drawn.append(
      svg("line", { class: "rule", x1: MARGIN.left, x2: right, y1: y(line), y2: y(line) }),
      svg("text", { x: MARGIN.left - 8, y: y(line) + 4, "text-anchor": "end" }, tick(line)),
    );
  }
  const now = Date.now();
  drawn.append(svg("text", { x: MARGIN.left, y: HEIGHT - 6 }, clock(first, now)));
  if (last > first) drawn.append(svg("text", { x: right, y: HEIGHT - 6, "text-anchor": "end" }, clock(last, now)));
  const usual = median(runs.filter((run) => !run.failed).map((run) => run.seconds));
  if (usual !== null) drawn.append(svg("line", { class: "median", x1: MARGIN.left, x2: right, y1: y(usual), y2: y(usual) }));
  for (const run of runs) {
    const [cx, cy] = [x(run.at), y(run.seconds)];
    const title = svg("title", {}, `${run.name}: ${duration(run.seconds)} · ${clock(run.at, now)}`);
    const point = run.failed
      ? svg("path", { class: "failed", d: `M${cx - 4},${cy - 4}l8,8m0,-8l-8,8` }, title)
      : svg("circle", { class: "done", cx, cy, r: 3.5 }, title);
    point.addEventListener("click", () => open(run));
    drawn.append(point);
  }
  return drawn;
}
