// Where one looks from. Coordinates of points are 0 to 1 on every axis; screens are in CSS pixels.

import type { View } from "./renderer";

export interface Camera {
  view(width: number, height: number): View;
  drag(dx: number, dy: number, width: number, height: number, second: boolean): void;
  zoom(factor: number, x: number, y: number, width: number, height: number): void;
  /** Look at a point from near by. */
  visit(at: number[]): void;
  reset(): void;
  /** How many times nearer one is than where everything is seen. */
  nearer(): number;
  save(): string;
  restore(text: string): void;
}

const FULL = 0.9;

/** Looks straight down: at a `scale` of 1 the map just fits into the screen. */
export class FlatCamera implements Camera {
  private x = 0.5;
  private y = 0.5;
  private scale = FULL;
  private middle = [0.5, 0.5];

  constructor(private extent: number[]) {
    this.middle = [extent[0] / 2, extent[1] / 2];
    this.reset();
  }

  view(width: number, height: number): View {
    const unit = this.fit(width, height) * this.scale;
    const [sx, sy] = [(2 * unit) / width, (2 * unit) / height];
    // prettier-ignore
    const matrix = new Float32Array([
      sx, 0, 0, 0,
      0, sy, 0, 0,
      0, 0, 0, 0,
      -sx * this.x, -sy * this.y, 0, 1,
    ]);
    return { matrix, near: 1 };
  }

  drag(dx: number, dy: number, width: number, height: number): void {
    const unit = this.fit(width, height) * this.scale;
    this.x -= dx / unit;
    this.y += dy / unit;
  }

  zoom(factor: number, x: number, y: number, width: number, height: number): void {
    const before = this.fit(width, height) * this.scale;
    this.scale = Math.min(400, Math.max(0.3, this.scale * factor));
    const after = this.fit(width, height) * this.scale;
    this.x += (x - width / 2) * (1 / before - 1 / after);
    this.y -= (y - height / 2) * (1 / before - 1 / after);
  }

  visit(at: number[]): void {
    [this.x, this.y] = at;
    this.scale = Math.max(this.scale, 4);
  }

  reset(): void {
    [this.x, this.y] = this.middle;
    this.scale = FULL;
  }

  nearer(): number {
    return this.scale / FULL;
  }

  /** Pixels of a unit of the map, where the map just fits into the screen. */
  private fit(width: number, height: number): number {
    return Math.min(width / Math.max(0.05, this.extent[0]), height / Math.max(0.05, this.extent[1]));
  }

  save(): string {
    return [this.x, this.y, this.scale].map((v) => v.toFixed(4)).join("_");
  }

  restore(text: string): void {
    const [x, y, scale] = text.split("_").map(Number);
    if ([x, y, scale].every(Number.isFinite) && scale > 0) [this.x, this.y, this.scale] = [x, y, scale];
  }
}

const FAR = 1;
/** A screen that is taller than wide has no room beside the map to turn it in. */
const UPRIGHT = 0.84;

/** Turns around a point: yaw and pitch in radians, distance in units of the map. */
export class OrbitCamera implements Camera {
  private target = [0.5, 0.5, 0.5];
  private yaw = 0.6;
  private pitch = 0.35;
  private distance = FAR;

  constructor(private extent: number[]) {
    this.reset();
  }

  view(width: number, height: number): View {
    const [cy, sy] = [Math.cos(this.yaw), Math.sin(this.yaw)];
    const [cp, sp] = [Math.cos(this.pitch), Math.sin(this.pitch)];
    const right = [cy, 0, -sy];
    const up = [-sp * sy, cp, -sp * cy];
    const back = [cp * sy, sp, cp * cy];
    const eye = this.target.map((v, k) => v + back[k] * this.distance);
    const dot = (a: number[]) => a[0] * eye[0] + a[1] * eye[1] + a[2] * eye[2];
    const focal = 1.6;
    const aspect = width / height;
    const [fx, fy] = aspect > 1 ? [focal / aspect, focal] : [UPRIGHT * focal, UPRIGHT * focal * aspect];
    const [near, far] = [0.02, 12];
    const [a, b] = [(far + near) / (near - far), (2 * far * near) / (near - far)];
    // prettier-ignore
    const matrix = new Float32Array([
      fx * right[0], fy * up[0], a * back[0], -back[0],
      fx * right[1], fy * up[1], a * back[1], -back[1],
      fx * right[2], fy * up[2], a * back[2], -back[2],
      -fx * dot(right), -fy * dot(up), -a * dot(back) + b, dot(back),
    ]);
    return { matrix, near: this.distance };
  }

  drag(dx: number, dy: number, width: number, height: number, second: boolean): void {
    if (second) {
      const unit = (this.distance / Math.min(width, height)) * 1.2;
      const [cy, sy] = [Math.cos(this.yaw), Math.sin(this.yaw)];
      this.target[0] -= dx * unit * cy;
      this.target[2] += dx * unit * sy;
      this.target[1] += dy * unit;
      return;
    }
    this.yaw -= dx * 0.006;
    this.pitch = Math.min(1.5, Math.max(-1.5, this.pitch + dy * 0.006));
  }

  zoom(factor: number): void {
    this.distance = Math.min(6, Math.max(0.04, this.distance / factor));
  }

  visit(at: number[]): void {
    this.target = [...at];
    this.distance = Math.min(this.distance, 0.5);
  }

  reset(): void {
    this.target = this.extent.map((v) => v / 2);
    [this.yaw, this.pitch, this.distance] = [0.6, 0.35, FAR];
  }

  nearer(): number {
    return FAR / this.distance;
  }

  save(): string {
    return [...this.target, this.yaw, this.pitch, this.distance].map((v) => v.toFixed(3)).join("_");
  }

  restore(text: string): void {
    const found = text.split("_").map(Number);
    if (found.length !== 6 || !found.every(Number.isFinite)) return;
    this.target = found.slice(0, 3);
    [this.yaw, this.pitch, this.distance] = found.slice(3);
  }
}
