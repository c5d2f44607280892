// Which points are shown as pictures: one for each cell of a grid, or all where few are in view.

import { project, type Screen } from "./picking";
import type { View } from "./renderer";
import type { Placed } from "./sprites";

const STEPS = 65535;
/** So few points in view are all shown, if each then has room for this many pixels. */
const EVERY = 300;
const FEW = 40;
const SMALLEST = 28;
const LARGEST = 76;
const LARGEST_NEAR = 96;
/** Of the shorter side of the screen, that a picture takes at most. */
const SHARE = 0.2;
const CELL = 56;
const MARGIN = 40;

/**
 * A key for each row: of a cell the lowest one is shown. It is a lottery that is the same each time;
 * a row of a group of n has weight 1/sqrt(n), so that a rare group shows beside a common one, and
 * the winner of a cell also wins the smaller cell it is in when one comes nearer.
 */
export function keysOf(rows: number, groups: ArrayLike<number> | null): Float32Array {
  const sizes = new Uint32Array(65536);
  if (groups) for (let k = 0; k < rows; k++) sizes[groups[k]] += 1;
  const keys = new Float32Array(rows);
  for (let k = 0; k < rows; k++) {
    let mixed = Math.imul(k ^ 0x9e3779b9, 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    const share = (((mixed ^ (mixed >>> 16)) >>> 0) + 1) / 4294967297;
    keys[k] = -Math.log(share) * Math.sqrt(groups ? sizes[groups[k]] : 1);
  }
  return keys;
}

export interface PictureChoice {
  rows: number[];
  /** Of a picture, in CSS pixels. */
  edge: number;
  /** Whether these are all points in view. */
  every: boolean;
}

/** The rows that are shown as pictures. */
export function choosePictures(
  positions: Uint16Array,
  dims: number,
  shown: Uint8Array,
  keys: Float32Array,
  view: View,
  screen: Screen,
): PictureChoice {
  const cell = dims === 2 ? flatCell(view, screen) : CELL * 1.3;
  const best = new Map<number, number>();
  const all: number[] = [];
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  let seen = 0;
  const [offX, offY] = dims === 2 ? origin(view, screen) : [0, 0];
  project(positions, dims, shown, view, screen, (row, x, y) => {
    if (x < -MARGIN || y < -MARGIN || x > screen.width + MARGIN || y > screen.height + MARGIN) return;
    seen += 1;
    if (seen <= EVERY) all.push(row);
    box[0] = Math.min(box[0], x);
    box[1] = Math.min(box[1], y);
    box[2] = Math.max(box[2], x);
    box[3] = Math.max(box[3], y);
    const at = Math.floor((x - offX) / cell) * 1_000_003 + Math.floor((y - offY) / cell);
    const held = best.get(at);
    if (held === undefined || keys[row] < keys[held]) best.set(at, row);
  });
  const room = Math.sqrt(((box[2] - box[0]) * (box[3] - box[1])) / Math.max(1, seen));
  if (seen <= FEW || (seen <= EVERY && room >= SMALLEST)) {
    return { rows: all, edge: Math.min(LARGEST, SHARE * Math.min(screen.width, screen.height), Math.max(SMALLEST * 1.3, room * 1.1)), every: true };
  }
  return { rows: [...best.values()], edge: Math.min(72, Math.max(42, cell * 0.72)), every: false };
}

/** Cells stay where they are on the map while one pans; they halve as one comes nearer. */
function flatCell(view: View, screen: Screen): number {
  const whole = (Math.hypot(view.matrix[0], view.matrix[4]) * screen.width) / 2;
  return whole / 2 ** Math.floor(Math.log2(Math.max(1, whole / CELL)));
}

function origin(view: View, screen: Screen): [number, number] {
  return [((view.matrix[12] + 1) / 2) * screen.width, ((1 - view.matrix[13]) / 2) * screen.height];
}

/** Where rows stand on the screen, far ones first; nearer ones are larger in 3D. */
export function placePictures(
  positions: Uint16Array,
  dims: number,
  rows: number[],
  edge: number,
  view: View,
  screen: Screen,
): Placed[] {
  const m = view.matrix;
  const found: (Placed & { depth: number })[] = [];
  const most = Math.min(LARGEST_NEAR, SHARE * Math.min(screen.width, screen.height));
  for (const row of rows) {
    const [x, y] = [positions[row * dims] / STEPS, positions[row * dims + 1] / STEPS];
    const z = dims === 3 ? positions[row * dims + 2] / STEPS : 0;
    const depth = m[3] * x + m[7] * y + m[11] * z + m[15];
    if (depth <= 0) continue;
    const sx = (m[0] * x + m[4] * y + m[8] * z + m[12]) / depth;
    const sy = (m[1] * x + m[5] * y + m[9] * z + m[13]) / depth;
    const size = dims === 3 ? Math.min(most, Math.max(24, (edge * view.near) / depth)) : edge;
    found.push({ row, x: ((sx + 1) / 2) * screen.width, y: ((1 - sy) / 2) * screen.height, edge: size, depth });
  }
  return dims === 3 ? found.sort((a, b) => b.depth - a.depth) : found;
}

/** Leaves out pictures that would cover more than a part of one that was chosen before. */
export function thinned(placed: Placed[], keys: Float32Array): number[] {
  const kept: Placed[] = [];
  for (const one of [...placed].sort((a, b) => keys[a.row] - keys[b.row])) {
    const near = one.edge * 0.8;
    if (kept.every((other) => Math.abs(other.x - one.x) > near || Math.abs(other.y - one.y) > near)) kept.push(one);
  }
  return kept.map((one) => one.row);
}

/** The picture at a place on the screen whose middle is nearest, -1 if there is none. */
export function pictureAt(placed: Placed[], x: number, y: number): number {
  let [best, found] = [Infinity, -1];
  for (const one of placed) {
    const away = Math.max(Math.abs(one.x - x), Math.abs(one.y - y));
    if (away <= one.edge / 2 && away < best) [best, found] = [away, one.row];
  }
  return found;
}
