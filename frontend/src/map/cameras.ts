// Where one looks from. Coordinates of points are 0 to 1 on every axis; screens are in CSS pixels.
//
// Panels and tools lie on the canvas. A camera that is told to show something shows it in the part
// that is free; a panel that opens moves nothing by itself.

import type { Screen } from "./picking";
import type { View } from "./renderer";
import { type Frame, heightOf, holds, inner, middleOf, widthOf } from "./room";

export interface Camera {
  view(width: number, height: number): View;
  drag(dx: number, dy: number, width: number, height: number, second: boolean): void;
  zoom(factor: number, x: number, y: number, width: number, height: number): void;
  /** Look at a point from near by. */
  visit(at: number[], frame: Frame): void;
  /** Go back until all these places are in the free part of the frame. */
  show(places: number[][], frame: Frame): void;
  /** Look at everything. */
  reset(frame: Frame): void;
  /** How many times nearer one is than where everything is seen. */
  nearer(): number;
  save(frame: Frame): string;
  /** Look from where it was saved; false, and at everything, if the text is none of that. */
  restore(text: string, frame: Frame): boolean;
}

/** Where a place of the map is on the screen; null if it is behind the camera. */
export function projected({ matrix: m }: View, at: number[], screen: Screen): { x: number; y: number } | null {
  const z = at[2] ?? 0;
  const w = m[3] * at[0] + m[7] * at[1] + m[11] * z + m[15];
  if (w <= 0) return null;
  const x = (m[0] * at[0] + m[4] * at[1] + m[8] * z + m[12]) / w;
  const y = (m[1] * at[0] + m[5] * at[1] + m[9] * z + m[13]) / w;
  return { x: ((x + 1) / 2) * screen.width, y: ((1 - y) / 2) * screen.height };
}

/** Whether all places are seen where nothing covers them. */
export function seen(camera: Camera, places: number[][], frame: Frame): boolean {
  const view = camera.view(frame.width, frame.height);
  const free = inner(frame.free);
  return places.every((at) => {
    const spot = projected(view, at, frame);
    return !!spot && holds(free, spot.x, spot.y);
  });
}

/** Lowest and highest coordinate on each axis. */
function bounds(places: number[][]): [number[], number[]] {
  const axes = places[0].map((_, axis) => places.map((one) => one[axis]));
  return [axes.map((all) => all.reduce((a, b) => Math.min(a, b))), axes.map((all) => all.reduce((a, b) => Math.max(a, b)))];
}

const between = (low: number[], high: number[]) => low.map((v, k) => (v + high[k]) / 2);
const TINY = 1e-6;
/** A flat map is at most so many times larger than one that fits. */
const LARGEST = 400;
/** Nobody moves farther away from the map, whose coordinates are 0 to 1. */
const REACH = 3;
/** Whether all are numbers, and of a size of at most `most`. */
const within = (values: number[], most: number) => values.every((v) => Math.abs(v) <= most);
/** A map is turned if it is then so many times larger. */
const MUCH = 1.15;

/** Looks straight down: at a `scale` of 1 the map just fits into the screen. */
export class FlatCamera implements Camera {
  private x = 0.5;
  private y = 0.5;
  private scale = 1;
  private whole = 1;
  /** Directions of a flat map mean nothing: one that is wide lies on its side in a tall frame. Decided once. */
  private turned: boolean | null = null;

  constructor(private extent: number[]) {
    [this.x, this.y] = [extent[0] / 2, extent[1] / 2];
  }

  view(width: number, height: number): View {
    const unit = this.fit(width, height) * this.scale;
    const [sx, sy] = [(2 * unit) / width, (2 * unit) / height];
    // prettier-ignore
    const matrix = new Float32Array(this.turned ? [
      0, -sy, 0, 0,
      sx, 0, 0, 0,
      0, 0, 0, 0,
      -sx * this.y, sy * this.x, 0, 1,
    ] : [
      sx, 0, 0, 0,
      0, sy, 0, 0,
      0, 0, 0, 0,
      -sx * this.x, -sy * this.y, 0, 1,
    ]);
    return { matrix, near: 1 };
  }

  drag(dx: number, dy: number, width: number, height: number): void {
    this.shift(dx, dy, -1 / (this.fit(width, height) * this.scale));
  }

  zoom(factor: number, x: number, y: number, width: number, height: number): void {
    const before = this.fit(width, height) * this.scale;
    this.scale = Math.min(LARGEST, Math.max(Math.min(0.3, this.whole), this.scale * factor));
    const after = this.fit(width, height) * this.scale;
    this.shift(x - width / 2, y - height / 2, 1 / before - 1 / after);
  }

  visit(at: number[], frame: Frame): void {
    this.scale = Math.max(this.scale, 4);
    this.lookAt(at, frame);
  }

  show(places: number[][], frame: Frame): void {
    const [low, high] = bounds(places);
    this.scale = Math.min(this.scale, this.fitting(high[0] - low[0], high[1] - low[1], frame));
    this.lookAt(between(low, high), frame);
  }

  reset(frame: Frame): void {
    this.turned ??= this.turning(frame);
    this.scale = this.whole = this.fitting(this.extent[0], this.extent[1], frame);
    this.lookAt([this.extent[0] / 2, this.extent[1] / 2], frame);
  }

  nearer(): number {
    return this.scale / this.whole;
  }

  /** The place of the map in the middle of the free part, and the scale. */
  save(frame: Frame): string {
    const [x, y] = this.aside(frame);
    return [this.x + x, this.y + y, this.scale].map((v) => v.toFixed(4)).join("_");
  }

  restore(text: string, frame: Frame): boolean {
    const [x, y, scale] = text.split("_").map(Number);
    this.reset(frame);
    if (!within([x, y], REACH) || !(scale > 0 && scale <= LARGEST)) return false;
    this.scale = scale;
    this.lookAt([x, y], frame);
    return true;
  }

  /** Put a place into the middle of the free part. */
  private lookAt(at: number[], frame: Frame): void {
    const [x, y] = this.aside(frame);
    [this.x, this.y] = [at[0] - x, at[1] - y];
  }

  /** How far the middle of the free part is from that of the screen, in units of the map. */
  private aside({ width, height, free }: Frame): [number, number] {
    const unit = this.fit(width, height) * this.scale;
    const middle = middleOf(free);
    return this.across(middle.x - width / 2, middle.y - height / 2, 1 / unit);
  }

  private shift(dx: number, dy: number, share: number): void {
    const [x, y] = this.across(dx, dy, share);
    [this.x, this.y] = [this.x + x, this.y + y];
  }

  /** A way over the screen as one over the map, times a share. */
  private across(dx: number, dy: number, share: number): [number, number] {
    return this.turned ? [dy * share, dx * share] : [dx * share, -dy * share];
  }

  /** Whether the map fills the frame much better on its side. */
  private turning({ free }: Frame): boolean {
    const room = inner(free);
    const fitted = (wide: number, tall: number) => Math.min(widthOf(room) / Math.max(TINY, wide), heightOf(room) / Math.max(TINY, tall));
    const [wide, tall] = this.extent;
    return fitted(tall, wide) > MUCH * fitted(wide, tall);
  }

  /** The scale at which so much of the map just fits into the free part. */
  private fitting(x: number, y: number, { width, height, free }: Frame): number {
    const [wide, tall] = this.turned ? [y, x] : [x, y];
    const room = inner(free);
    const unit = Math.min(widthOf(room) / Math.max(TINY, wide), heightOf(room) / Math.max(TINY, tall));
    return unit / this.fit(width, height);
  }

  /** Pixels of a unit of the map, where the map just fits into the screen. */
  private fit(width: number, height: number): number {
    const [wide, tall] = this.turned ? [this.extent[1], this.extent[0]] : this.extent;
    return Math.min(width / Math.max(0.05, wide), height / Math.max(0.05, tall));
  }
}

const FOCAL = 1.6;
const [YAW, PITCH] = [0.6, 0.35];
const [NEAREST, FARTHEST] = [0.04, 6];

/** Turns around a point: yaw and pitch in radians, distance in units of the map. */
export class OrbitCamera implements Camera {
  private target: number[];
  private yaw = YAW;
  private pitch = PITCH;
  private distance = 1;
  /** The distance from which all is seen. */
  private whole = 1;
  /** Where the target is on the screen, in pixels from the middle of it. */
  private lens = { x: 0, y: 0 };

  /** `outline`: places around all points, with none outside of them. */
  constructor(private outline: number[][]) {
    this.target = between(...bounds(outline));
  }

  view(width: number, height: number): View {
    const [right, up, back] = this.axes();
    const eye = this.target.map((v, k) => v + back[k] * this.distance);
    const dot = (a: number[]) => a[0] * eye[0] + a[1] * eye[1] + a[2] * eye[2];
    const [fx, fy] = focal(width, height);
    const [lx, ly] = [(2 * this.lens.x) / width, (-2 * this.lens.y) / height];
    const [near, far] = [0.02, 12];
    const [a, b] = [(far + near) / (near - far), (2 * far * near) / (near - far)];
    const column = (k: number) => [fx * right[k] - lx * back[k], fy * up[k] - ly * back[k], a * back[k], -back[k]];
    const matrix = new Float32Array([
      ...column(0),
      ...column(1),
      ...column(2),
      -fx * dot(right) + lx * dot(back), -fy * dot(up) + ly * dot(back), -a * dot(back) + b, dot(back),
    ]);
    return { matrix, near: this.distance };
  }

  drag(dx: number, dy: number, width: number, height: number, second: boolean): void {
    if (second) {
      const unit = (2 * this.distance) / (FOCAL * Math.min(width, height));
      this.move(-dx * unit, dy * unit);
      return;
    }
    this.yaw -= dx * 0.006;
    this.pitch = Math.min(1.5, Math.max(-1.5, this.pitch + dy * 0.006));
  }

  zoom(factor: number): void {
    this.distance = Math.min(FARTHEST, Math.max(NEAREST, this.distance / factor));
  }

  visit(at: number[], frame: Frame): void {
    this.target = [...at];
    this.distance = Math.min(this.distance, this.whole / 2);
    this.centre(frame);
  }

  show(places: number[][], frame: Frame): void {
    const before = this.distance;
    this.enclose(places, frame);
    this.distance = Math.max(before, this.distance);
  }

  reset(frame: Frame): void {
    [this.yaw, this.pitch] = [YAW, PITCH];
    this.enclose(this.outline, frame);
    this.whole = this.distance;
  }

  nearer(): number {
    return this.whole / this.distance;
  }

  save(frame: Frame): string {
    const { target, lens } = this;
    // What is in the middle of the free part, as deep as the target.
    const unit = (2 * this.distance) / (FOCAL * Math.min(frame.width, frame.height));
    this.centre(frame);
    this.move((this.lens.x - lens.x) * unit, (lens.y - this.lens.y) * unit);
    const text = [...this.target, this.yaw, this.pitch, this.distance].map((v) => v.toFixed(3)).join("_");
    [this.target, this.lens] = [target, lens];
    return text;
  }

  restore(text: string, frame: Frame): boolean {
    this.reset(frame);
    const found = text.split("_").map(Number);
    const [yaw, pitch, distance] = found.slice(3);
    if (found.length !== 6 || !within(found.slice(0, 3), REACH) || ![yaw, pitch].every(Number.isFinite) || !(distance > 0 && distance <= FARTHEST)) return false;
    this.target = found.slice(0, 3);
    [this.yaw, this.pitch, this.distance] = [yaw, pitch, distance];
    return true;
  }

  /** Unit vectors to the right, up, and back to the eye. */
  private axes(): [number[], number[], number[]] {
    const [cy, sy] = [Math.cos(this.yaw), Math.sin(this.yaw)];
    const [cp, sp] = [Math.cos(this.pitch), Math.sin(this.pitch)];
    return [[cy, 0, -sy], [-sp * sy, cp, -sp * cy], [cp * sy, sp, cp * cy]];
  }

  private move(rightwards: number, upwards: number): void {
    const [right, up] = this.axes();
    this.target = this.target.map((v, k) => v + right[k] * rightwards + up[k] * upwards);
  }

  private centre({ width, height, free }: Frame): void {
    const middle = middleOf(free);
    this.lens = { x: middle.x - width / 2, y: middle.y - height / 2 };
  }

  /**
   * Stand as near as all places allow, which are then in the middle of the free part.
   *
   * A place that is `r` to the right of the middle and `b` nearer to the eye is in the free part if
   * |r - t| <= share * (distance - b), where the target is `t` to the right; the same holds upwards.
   */
  private enclose(places: number[][], frame: Frame): void {
    this.centre(frame);
    this.target = between(...bounds(places));
    const [right, up, back] = this.axes();
    const [fx, fy] = focal(frame.width, frame.height);
    const room = inner(frame.free);
    const along = (axis: number[], at: number[]) => axis.reduce((sum, v, k) => sum + v * (at[k] - this.target[k]), 0);
    const fitted = (axis: number[], share: number) => {
      const most = Math.max(...places.map((at) => along(axis, at) + share * along(back, at)));
      const least = Math.min(...places.map((at) => along(axis, at) - share * along(back, at)));
      return { shift: (most + least) / 2, distance: (most - least) / (2 * share) };
    };
    const across = fitted(right, widthOf(room) / frame.width / fx);
    const upwards = fitted(up, heightOf(room) / frame.height / fy);
    this.distance = Math.min(FARTHEST, Math.max(NEAREST, across.distance, upwards.distance));
    this.move(across.shift, upwards.shift);
  }
}

/** How much wider and taller than the screen's half something of the size of its distance is. */
function focal(width: number, height: number): [number, number] {
  const aspect = width / height;
  return aspect > 1 ? [FOCAL / aspect, FOCAL] : [FOCAL, FOCAL * aspect];
}
