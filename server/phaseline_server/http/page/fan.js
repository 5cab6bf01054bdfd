// The history of a run's estimated length and its range.

import { get, statusPath } from "./api.js";
import { stepOf, tick } from "./chart.js";
import { h, svg } from "./dom.js";
import { about, duration } from "./format.js";
import { FAN } from "./words.js";

/** @typedef {{at: number, mid: number, low: number, high: number}} Point Seconds since the start: the time, and the ends that were expected then. */

const HEIGHT = 170;
const MARGIN = { left: 52, right: 10, top: 8, bottom: 22 };
const READ_MS = 10_000; // a point comes at most each second, and fewer later
const LEAST = 3;
const FAR = 2.2; // a range beyond this many times the last estimate is cut

/** @param {any[]} estimates @returns {Point[]} */
export function pointsOf(estimates) {
  return estimates
    .filter((each) => each.eta_seconds !== null)
    .map((each) => {
      const at = each.elapsed_seconds;
      return { at, mid: at + each.eta_seconds, low: at + (each.eta_low_seconds ?? each.eta_seconds), high: at + (each.eta_high_seconds ?? each.eta_seconds) };
    });
}

/**
 * @param {Point[]} points
 * @param {number | null} end The length of a run that has ended.
 * @param {number} width Pixels.
 */
export function fan(points, end, width) {
  const last = /** @type {Point} */ (points.at(-1));
  const whole = Math.max(end ?? 0, last.at, 1);
  const most = Math.min(Math.max(...points.map((each) => each.high), whole), Math.max(FAR * last.mid, Math.min(last.high, 2 * FAR * last.mid), whole)) * 1.05;
  const [right, bottom] = [width - MARGIN.right, HEIGHT - MARGIN.bottom];
  /** @param {number} at */
  const x = (at) => (MARGIN.left + (at / whole) * (right - MARGIN.left)).toFixed(1);
  /** @param {number} seconds */
  const y = (seconds) => (bottom - (Math.min(seconds, most) / most) * (bottom - MARGIN.top)).toFixed(1);
  /** @param {Point[]} some @param {(point: Point) => number} of */
  const path = (some, of) => some.map((point) => `${x(point.at)},${y(of(point))}`).join("L");
  const drawn = svg("svg", { class: "fan", viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": FAN.spoken(about(points[0]?.mid ?? 0), about(end ?? last.mid)) });
  const step = stepOf(most);
  for (let line = 0; line <= most; line += step) {
    drawn.append(
      svg("line", { class: "rule", x1: MARGIN.left, x2: right, y1: y(line), y2: y(line) }),
      svg("text", { x: MARGIN.left - 8, y: Number(y(line)) + 4, "text-anchor": "end" }, tick(line)),
    );
  }
  drawn.append(
    svg("text", { x: MARGIN.left, y: HEIGHT - 5 }, "0"),
    svg("text", { x: right, y: HEIGHT - 5, "text-anchor": "end" }, duration(whole)),
    svg("path", { class: "range", d: `M${path(points, (point) => point.low)}L${path([...points].reverse(), (point) => point.high)}Z` }),
    svg("path", { class: "passed", d: `M${x(0)},${y(0)}L${x(whole)},${y(whole)}` }),
    svg("path", { class: "mid", d: `M${path(points, (point) => point.mid)}${end === null ? "" : `L${x(end)},${y(end)}`}` }),
  );
  return drawn;
}

/** The chart of one job. */
export class Fan {
  /** @param {string} id */
  constructor(id) {
    this.path = `${statusPath(id)}/estimates`;
    this.element = h("figure", { class: "fan-figure", hidden: true });
    this.read_at = -Infinity;
    this.over = false;
    this.drawn = false;
  }

  /** Read and draw the points again, if there may be more of them. @param {any} status A JobStatus. */
  async read(status) {
    const over = status.completed_at !== null;
    const now = performance.now();
    if (over ? this.over : now - this.read_at < READ_MS) return;
    [this.read_at, this.over] = [now, over];
    const points = pointsOf((await get(this.path)).estimates);
    this.drawn = points.length >= LEAST;
    this.element.hidden = !this.drawn;
    if (this.drawn) this.element.replaceChildren(h("h4", {}, FAN.title), fan(points, over ? status.elapsed_seconds : null, Math.max(280, Math.min(760, this.element.clientWidth))), h("figcaption", { class: "hint" }, FAN.note));
  }
}
