// Which points lie where: under the pointer, inside a lasso, near each other.

import type { View } from "./renderer";

const SIDE = 256;
const STEPS = 65535;

export interface Screen {
  width: number;
  height: number;
}

/** A grid over a flat map: points of a cell are found without looking at the others. */
export class Grid {
  private starts = new Uint32Array(SIDE * SIDE + 1);
  private rows: Uint32Array;

  constructor(private positions: Uint16Array) {
    const count = positions.length / 2;
    this.rows = new Uint32Array(count);
    for (let k = 0; k < count; k++) this.starts[this.cell(k) + 1] += 1;
    for (let c = 0; c < SIDE * SIDE; c++) this.starts[c + 1] += this.starts[c];
    const next = this.starts.slice(0, -1);
    for (let k = 0; k < count; k++) this.rows[next[this.cell(k)]++] = k;
  }

  /** The nearest shown point to (x, y) in steps within `radius` steps; -1 if there is none. */
  nearest(x: number, y: number, radius: number, shown: Uint8Array): number {
    const low = (v: number) => Math.max(0, Math.min(SIDE - 1, Math.floor((v - radius) / 256)));
    const high = (v: number) => Math.max(0, Math.min(SIDE - 1, Math.floor((v + radius) / 256)));
    let [best, found] = [radius * radius, -1];
    for (let cy = low(y); cy <= high(y); cy++) {
      for (let cx = low(x); cx <= high(x); cx++) {
        const cell = cy * SIDE + cx;
        for (let k = this.starts[cell]; k < this.starts[cell + 1]; k++) {
          const row = this.rows[k];
          if (!shown[row]) continue;
          const dx = this.positions[2 * row] - x;
          const dy = this.positions[2 * row + 1] - y;
          const away = dx * dx + dy * dy;
          if (away <= best) [best, found] = [away, row];
        }
      }
    }
    return found;
  }

  private cell(row: number): number {
    return (this.positions[2 * row + 1] >> 8) * SIDE + (this.positions[2 * row] >> 8);
  }
}

/** Calls back with the place on the screen of every shown point in front of the camera. */
export function project(
  positions: Uint16Array,
  dims: number,
  shown: Uint8Array,
  view: View,
  screen: Screen,
  hear: (row: number, x: number, y: number, depth: number) => void,
): void {
  const m = view.matrix;
  const rows = positions.length / dims;
  for (let k = 0; k < rows; k++) {
    if (!shown[k]) continue;
    const x = positions[k * dims] / STEPS;
    const y = positions[k * dims + 1] / STEPS;
    const z = dims === 3 ? positions[k * dims + 2] / STEPS : 0;
    const w = m[3] * x + m[7] * y + m[11] * z + m[15];
    if (w <= 0) continue;
    const sx = (m[0] * x + m[4] * y + m[8] * z + m[12]) / w;
    const sy = (m[1] * x + m[5] * y + m[9] * z + m[13]) / w;
    hear(k, ((sx + 1) / 2) * screen.width, ((1 - sy) / 2) * screen.height, w);
  }
}

export function pick(
  positions: Uint16Array,
  dims: number,
  shown: Uint8Array,
  grid: Grid | null,
  view: View,
  screen: Screen,
  at: { x: number; y: number },
  reach: number,
): number {
  if (grid) {
    const m = view.matrix;
    const [right, up] = [(2 * at.x) / screen.width - 1 - m[12], 1 - (2 * at.y) / screen.height - m[13]];
    const area = m[0] * m[5] - m[4] * m[1];
    const [x, y] = [(m[5] * right - m[4] * up) / area, (m[0] * up - m[1] * right) / area];
    return grid.nearest(x * STEPS, y * STEPS, ((2 * reach) / screen.width / Math.hypot(m[0], m[4])) * STEPS, shown);
  }
  let [best, found] = [Infinity, -1];
  project(positions, dims, shown, view, screen, (row, x, y, depth) => {
    const away = (x - at.x) ** 2 + (y - at.y) ** 2;
    // Of the points under the pointer the one in front counts.
    if (away <= reach * reach && depth + away * 1e-4 < best) [best, found] = [depth + away * 1e-4, row];
  });
  return found;
}

export type Polygon = { x: number; y: number }[];

export function inside(polygon: Polygon, x: number, y: number): boolean {
  let found = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [a, b] = [polygon[i], polygon[j]];
    if (a.y > y !== b.y > y && x < ((b.x - a.x) * (y - a.y)) / (b.y - a.y) + a.x) found = !found;
  }
  return found;
}

/** Rows of the shown points inside a polygon on the screen. */
export function within(
  positions: Uint16Array,
  dims: number,
  shown: Uint8Array,
  view: View,
  screen: Screen,
  polygon: Polygon,
): number[] {
  const xs = polygon.map((p) => p.x);
  const ys = polygon.map((p) => p.y);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const rows: number[] = [];
  project(positions, dims, shown, view, screen, (row, x, y) => {
    if (x < left || x > right || y < top || y > bottom) return;
    if (inside(polygon, x, y)) rows.push(row);
  });
  return rows;
}

/** The shown points that lie nearest to a row on the map, the row itself left out. */
export function around(positions: Uint16Array, dims: number, shown: Uint8Array, row: number, k: number): number[] {
  const best: { row: number; away: number }[] = [];
  const rows = positions.length / dims;
  for (let other = 0; other < rows; other++) {
    if (other === row || !shown[other]) continue;
    let away = 0;
    for (let axis = 0; axis < dims; axis++) {
      away += (positions[other * dims + axis] - positions[row * dims + axis]) ** 2;
    }
    if (best.length < k || away < best[best.length - 1].away) {
      best.push({ row: other, away });
      best.sort((a, b) => a.away - b.away);
      if (best.length > k) best.pop();
    }
  }
  return best.map((one) => one.row);
}

/** Directions of which each has an opposite: along the axes, the edges and the diagonals of a cube or square. */
function directionsOf(dims: number): number[][] {
  const found: number[][] = [];
  for (let code = 1; code < 3 ** dims; code++) {
    const one = Array.from({ length: dims }, (_, axis) => (Math.floor(code / 3 ** axis) % 3) - 1);
    if (one.find((v) => v !== 0) === 1) found.push(one);
  }
  return found;
}

/** Places of a few rows with no row of a mask far outside of them; none if the mask has none. */
export function outlineOf(positions: Uint16Array, dims: number, mask: Uint8Array): number[][] {
  const directions = directionsOf(dims);
  const low = new Float64Array(directions.length).fill(Infinity);
  const high = new Float64Array(directions.length).fill(-Infinity);
  const ends = new Uint32Array(2 * directions.length);
  for (let row = 0; row < mask.length; row++) {
    if (!mask[row]) continue;
    directions.forEach((direction, k) => {
      let along = 0;
      for (let axis = 0; axis < dims; axis++) along += direction[axis] * positions[row * dims + axis];
      if (along < low[k]) [low[k], ends[2 * k]] = [along, row];
      if (along > high[k]) [high[k], ends[2 * k + 1]] = [along, row];
    });
  }
  if (high[0] < low[0]) return [];
  return [...new Set(ends)].map((row) => Array.from(positions.subarray(row * dims, (row + 1) * dims), (v) => v / STEPS));
}
