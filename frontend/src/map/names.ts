// Names on the map: where each group is densest, as many as find room.

import type { RegionLevel } from "../types";
import type { Screen } from "./picking";
import type { View } from "./renderer";

const STEPS = 65536;
const NOWHERE = 65535;
const MOST_GROUPS = 500;
const FROM_AFAR = 14;
const LETTER = 8.2;
const HEIGHT = 20;

export interface Anchor {
  text: string;
  size: number;
  /** 0 to 1 on each axis. */
  at: number[];
}

export interface Name {
  text: string;
  x: number;
  y: number;
}

/** Where the names of groups belong: the middle of the cell of a grid that has most of the group's shown points. */
export function anchorsOf(positions: Uint16Array, dims: number, codes: ArrayLike<number>, names: string[], shown: Uint8Array): Anchor[] {
  if (names.length > MOST_GROUPS) return [];
  const across = dims === 2 ? 16 : 8;
  const cells = across ** dims;
  const counts = new Uint32Array(names.length * cells);
  const cellOf = (row: number) => {
    let cell = 0;
    for (let axis = 0; axis < dims; axis++) cell = cell * across + Math.floor((positions[row * dims + axis] * across) / STEPS);
    return cell;
  };
  for (let row = 0; row < shown.length; row++) if (shown[row] && codes[row] < names.length) counts[codes[row] * cells + cellOf(row)] += 1;
  const best = names.map((_, code) => {
    const own = counts.subarray(code * cells, (code + 1) * cells);
    let top = 0;
    for (let cell = 1; cell < cells; cell++) if (own[cell] > own[top]) top = cell;
    return { top, size: own.reduce((sum, n) => sum + n, 0) };
  });
  const sums = new Float64Array(names.length * (dims + 1));
  for (let row = 0; row < shown.length; row++) {
    const code = codes[row];
    if (!shown[row] || code >= names.length || cellOf(row) !== best[code].top) continue;
    for (let axis = 0; axis < dims; axis++) sums[code * (dims + 1) + axis] += positions[row * dims + axis] / (STEPS - 1);
    sums[code * (dims + 1) + dims] += 1;
  }
  return names
    .map((text, code) => ({
      text,
      size: best[code].size,
      at: Array.from({ length: dims }, (_, axis) => sums[code * (dims + 1) + axis] / Math.max(1, sums[code * (dims + 1) + dims])),
    }))
    .filter((one) => one.size > 0)
    .sort((a, b) => b.size - a.size);
}

/** Names for a camera that is so many times nearer than from afar: those of the first list find room first. */
export type NamesFor = (nearer: number) => Anchor[][];

/** Names of groups: the largest from afar, more of them from near by. */
export function groupNames(anchors: Anchor[]): NamesFor {
  return (nearer) => [anchors.slice(0, Math.ceil(FROM_AFAR * Math.max(1, nearer)))];
}

/** Names of regions: those of the level that fits the camera, then coarser ones where these left room. */
export function regionNames(positions: Uint16Array, dims: number, levels: RegionLevel[], shown: Uint8Array): NamesFor {
  const held: Anchor[][] = [];
  const at = (level: number) => (held[level] ??= anchorsOf(positions, dims, placesOf(positions, dims, levels[level]), levels[level].names, shown));
  return (nearer) => {
    // Each level has half as wide regions as the one before.
    const fits = Math.round(Math.log2(Math.max(1, nearer)));
    const finest = Math.min(levels.length - 1, fits);
    return Array.from({ length: finest + 1 }, (_, step) => at(finest - step));
  };
}

/** The named place that each row is in, by its number; NOWHERE for those without a name. */
function placesOf(positions: Uint16Array, dims: number, level: RegionLevel): Uint16Array {
  const { across, low, high } = level;
  const places = new Uint16Array(across ** dims).fill(NOWHERE);
  level.cells.forEach((cells, place) => cells.forEach((cell) => (places[cell] = place)));
  const found = new Uint16Array(positions.length / dims);
  for (let row = 0; row < found.length; row++) {
    let cell = 0;
    for (let axis = dims - 1; axis >= 0; axis--) {
      const share = (positions[row * dims + axis] / (STEPS - 1) - low[axis]) / Math.max(high[axis] - low[axis], 1e-12);
      cell = cell * across + Math.max(0, Math.min(across - 1, Math.floor(share * across)));
    }
    found[row] = places[cell];
  }
  return found;
}

const within = (at: number, margin: number, size: number) => Math.max(margin, Math.min(size - margin, at));

/** The names that find room on the screen, those of the first list and of large groups first. */
export function placeNames(lists: Anchor[][], view: View, screen: Screen): Name[] {
  const kept: (Name & { half: number })[] = [];
  for (const list of lists) {
    const before = new Set(kept.map((one) => one.text));
    // A place keeps its name when one comes nearer: it is not said twice.
    for (const anchor of list) if (!before.has(anchor.text)) place(anchor, view, screen, kept);
  }
  return kept.map(({ text, x, y }) => ({ text, x, y }));
}

function place({ text, at }: Anchor, view: View, screen: Screen, kept: (Name & { half: number })[]): void {
  const m = view.matrix;
  const z = at[2] ?? 0;
  const depth = m[3] * at[0] + m[7] * at[1] + m[11] * z + m[15];
  if (depth <= 0) return;
  const x = (((m[0] * at[0] + m[4] * at[1] + m[8] * z + m[12]) / depth + 1) / 2) * screen.width;
  const y = ((1 - (m[1] * at[0] + m[5] * at[1] + m[9] * z + m[13]) / depth) / 2) * screen.height;
  const half = (text.length * LETTER) / 2 + 4;
  if (x < 0 || x > screen.width || y < 0 || y > screen.height) return;
  // A group at the edge of the screen has its name inside of it.
  const [inX, inY] = [within(x, half, screen.width), within(y, HEIGHT, screen.height)];
  if (kept.every((other) => Math.abs(other.x - inX) > other.half + half || Math.abs(other.y - inY) > HEIGHT)) kept.push({ text, x: inX, y: inY, half });
}
