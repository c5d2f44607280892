// Names on the map: where each group is densest, as many as find room.

import type { RegionLevel } from "../types";
import { projected } from "./cameras";
import { type Frame, holds, widthOf, heightOf } from "./room";
import type { View } from "./renderer";
import type { Placed } from "./sprites";

const STEPS = 65536;
const NOWHERE = 65535;
const MOST_GROUPS = 500;
const FROM_AFAR = 14;
/** A region with a smaller share of what is shown has no name from afar; half of it is enough at each level nearer. */
const LEAST_SHARE = 0.01;
/** As the style sheet has it. */
const FONT = '700 13.5px system-ui, "Segoe UI", "DejaVu Sans", sans-serif';
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
  const least = (level: number) => (LEAST_SHARE * shown.reduce((sum, one) => sum + one, 0)) / 2 ** level;
  const at = (level: number) => (held[level] ??= anchorsOf(positions, dims, placesOf(positions, dims, levels[level]), levels[level].names, shown).filter((one) => one.size >= least(level)));
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

const pen = new OffscreenCanvas(1, 1).getContext("2d")!;
pen.font = FONT;
const measured = new Map<string, number>();

function widthOfText(text: string): number {
  let width = measured.get(text);
  if (width === undefined) {
    width = pen.measureText(text).width;
    measured.set(text, width);
  }
  return width;
}

/** A name stands so far from its place, the nearest first, if it would hide a picture there. */
const ASIDE = [0, -40, 40]
  .flatMap((x) => [0, 20, -20, 40, -40, 60, -60, 80, -80].map((y) => ({ x, y })))
  .filter(({ x, y }) => Math.hypot(x, y) <= 80)
  .sort((one, other) => Math.hypot(one.x, one.y) - Math.hypot(other.x, other.y));
const LINE = 15;

const within = (at: number, margin: number, low: number, high: number) => Math.max(low + margin, Math.min(high - margin, at));

/** Names cover at most this share of the free part: a small one is for pictures first. */
const SHARE = 0.05;

/** The names that find room in the free part of the frame, those of the first list and of large groups first. */
export function placeNames(lists: Anchor[][], view: View, frame: Frame, pictures: Placed[]): Name[] {
  const kept: (Name & { half: number })[] = [];
  const room = SHARE * widthOf(frame.free) * heightOf(frame.free);
  const taken = () => kept.reduce((sum, one) => sum + 2 * one.half * HEIGHT, 0);
  for (const list of lists) {
    const before = new Set(kept.map((one) => one.text));
    // A place keeps its name when one comes nearer: it is not said twice.
    for (const anchor of list) if (!before.has(anchor.text) && taken() < room) place(anchor, view, frame, pictures, kept);
  }
  return kept.map(({ text, x, y }) => ({ text, x, y }));
}

function place({ text, at }: Anchor, view: View, frame: Frame, pictures: Placed[], kept: (Name & { half: number })[]): void {
  const spot = projected(view, at, frame);
  const { free } = frame;
  if (!spot || !holds(free, spot.x, spot.y)) return;
  const half = widthOfText(text) / 2 + 4;
  // A group at the edge has its name inside of it.
  const places = ASIDE.map((aside) => ({
    x: within(spot.x + aside.x, half, free.left, free.right),
    y: within(spot.y + aside.y, HEIGHT / 2, free.top, free.bottom),
  })).filter((here) => kept.every((other) => Math.abs(other.x - here.x) > other.half + half || Math.abs(other.y - here.y) > HEIGHT));
  if (!places.length) return;
  const bare = (here: { x: number; y: number }) =>
    pictures.every((one) => Math.abs(one.x - here.x) > one.edge / 2 + half || Math.abs(one.y - here.y) > (one.edge + LINE) / 2);
  kept.push({ text, ...(places.find(bare) ?? places[0]), half });
}
